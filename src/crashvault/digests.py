"""SHA-1 and BLAKE2 as the standard library has them, without `hashlib`: that loads OpenSSL, which takes longer
than recording an event. Only for keys and addresses, never for secrets."""

from __future__ import annotations

try:
    from _blake2 import blake2b
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:  # an interpreter that leaves them to OpenSSL
    from hashlib import blake2b, sha1

__all__ = ["blake2b", "dashed", "sha1"]


def dashed(identifier: bytes) -> str:
    """16 bytes as a UUID is written."""
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
