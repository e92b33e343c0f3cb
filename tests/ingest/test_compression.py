"""Compressed bodies: every coding comes back, bombs stop at the limit, and nothing but the documented errors is raised."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crashvault.ingest.compression import decompress
from crashvault.ingest.native import BodyError

CODES = {"too_large", "bad_compression", "unsupported_encoding"}
LIMIT = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd_stream(data: bytes) -> bytes:
    """A frame that does not tell its size, as streaming clients write it."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "nothing": ("", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "brotli": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
    "zstd stream": ("zstd", zstd_stream),
    "twice": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
}
packers = pytest.mark.parametrize("name", PACKERS)


def code_of(data: bytes, coding: str, limit: int = LIMIT) -> str:
    with pytest.raises(BodyError) as caught:
        decompress(data, coding, limit)
    assert caught.value.message and caught.value.hint
    return caught.value.code


@packers
@given(data=st.binary(max_size=3_000))
@settings(max_examples=50)
def test_what_was_packed_comes_back(name: str, data: bytes) -> None:
    coding, pack = PACKERS[name]
    assert decompress(pack(data), coding, LIMIT) == data


@packers
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(name: str) -> None:
    coding, pack = PACKERS[name]
    data = bytes(range(256)) * (LIMIT // 256)
    assert decompress(pack(data), coding, LIMIT) == data
    assert code_of(pack(data + b"x"), coding) == "too_large"


BOMB = 32 << 20


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "brotli", "zstd", "zstd stream", "twice"])
def test_bombs_stop_at_the_limit(name: str) -> None:
    coding, pack = PACKERS[name]
    packed = pack(bytes(BOMB))
    tracemalloc.start()
    try:
        assert code_of(packed, coding) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 16 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name in PACKERS if name not in ("identity", "nothing")])
def test_what_ends_early_is_broken(name: str) -> None:
    coding, pack = PACKERS[name]
    packed = pack(b"an event that was cut on its way, at whatever byte " * 3)
    for end in range(1, len(packed)):
        assert code_of(packed[:end], coding) == "bad_compression", end


@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "gzip, br", "deflate,zstd", "lzma", "gzip,gzip,gzip,gzip,gzip"]
)
@given(data=st.binary(max_size=400))
@example(b"")
@example(b"\x78\x9c")
@example(b"\x28\xb5\x2f\xfd\x04\x00")
def test_any_bytes_raise_the_documented_errors_only(coding: str, data: bytes) -> None:
    try:
        assert len(decompress(data, coding, 10_000)) <= 10_000
    except BodyError as error:
        assert error.code in CODES


@packers
@given(st.data())
@settings(max_examples=60)
def test_damage_raises_the_documented_errors_only(name: str, data: st.DataObject) -> None:
    coding, pack = PACKERS[name]
    packed = bytearray(pack(b'{"message": "an event that was damaged on its way"}' * 4))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert len(decompress(bytes(packed), coding, LIMIT)) <= LIMIT
    except BodyError as error:
        assert error.code in CODES


def test_members_of_gzip_are_joined() -> None:
    parts = [b"one ", b"", b"two ", b"three" * 100_000]
    packed = b"".join(gzip.compress(part) + b"\0" * number for number, part in enumerate(parts))
    assert decompress(packed, "gzip", LIMIT) == b"".join(parts)
    assert code_of(gzip.compress(b"one") + b"rest", "gzip") == "bad_compression"
    assert code_of(zlib.compress(b"one") + zlib.compress(b"two"), "deflate") == "bad_compression"
    assert code_of(gzip.compress(b"x" * (LIMIT // 2 + 1)) * 2, "gzip") == "too_large"


def test_many_members_cost_no_more_than_their_bytes() -> None:
    packed = gzip.compress(b"") * 500_000  # 10 MB
    began = time.process_time()
    assert code_of(packed, "gzip") == "bad_compression"
    padded = (gzip.compress(b"") + b"\0" * 10_000) * 900
    assert decompress(padded, "gzip", LIMIT) == b""
    assert time.process_time() - began < 2


@pytest.mark.parametrize("coding", ["lzma", "gzip, lzma", "g zip", "*", "\x00", "é" * 60])
def test_an_unknown_coding_names_those_there_are(coding: str) -> None:
    with pytest.raises(BodyError) as caught:
        decompress(gzip.compress(b"x") if "lzma" not in coding else b"x", coding, LIMIT)
    assert caught.value.code == "unsupported_encoding" and "gzip" in caught.value.hint
