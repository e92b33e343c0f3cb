"""Which names promise a secret: `access_token`, `authToken`, `X-Api-Key`, `PGPASSWORD`, but not `tokenizer`.

A name is taken apart into words (camelCase, snake_case, kebab-case), and its words decide.
"""

from __future__ import annotations

import re
from itertools import pairwise

_LONGEST_NAME = 200

# a secret wherever in the name they stand, also in the plural
_ANYWHERE = frozenset(
    ("password", "passwd", "passwort", "pwd", "passphrase", "passcode", "secret", "token", "credential")
    + ("authorization", "csrf", "xsrf", "apikey", "accesskey", "secretkey", "privatekey", "sessionid")
    + ("sessid", "ssn", "cvv", "cvc", "cookie", "jwt", "bearer", "creditcard", "cardnumber", "ccnumber")
    + ("pw", "passwds", "totp")
)
# a secret only as the last word: `db_pass` is one, `pass_count` is none
_AT_THE_END = frozenset(("auth", "authentication", "session", "pin", "pass", "otp", "creds", "cred", "pgpass"))
# `csrfmiddlewaretoken`, `dbpassword`: words that run together
_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "sessionid", "sessid", "cookie")

_KINDS_OF_KEYS = (
    "api access private secret encryption signing auth master shared account ssh rsa gpg session storage "
    "service license deploy consumer subscription function hmac aes des jwt crypto"
)
_PAIRS = frozenset(
    [(kind, "key") for kind in _KINDS_OF_KEYS.split()]
    + [(card, number) for card in ("card", "cc") for number in ("number", "no", "num", "pan")]
    + [("credit", "card"), ("social", "security"), ("security", "code"), ("session", "id"), ("api", "keys")]
    + [("pin", "code"), ("pin", "number"), ("auth", "code"), ("auth", "header"), ("auth", "data")]
    + [("one", "time"), ("recovery", "code"), ("verification", "code"), ("mfa", "code"), ("access", "keys")]
)
# what a name is about when it ends so: `token_type`, `password_reset_url`, `TokenExpiredError`
_HARMLESS_ENDINGS = frozenset(
    (
        "type", "types", "count", "counts", "length", "len", "size", "limit", "limits", "ttl", "expires",
        "expiry", "expiration", "expire", "expired", "age", "policy", "enabled", "required", "status",
        "field", "fields", "label", "url", "uri", "endpoint", "path", "domain", "samesite", "strength",
        "at", "in", "created", "updated", "error", "errors", "exception", "invalid", "failed", "failure",
        "missing", "found", "stdin", "file", "form", "view", "validator", "validators", "class", "manager",
        "provider", "backend", "middleware", "name", "names", "index", "position", "usage", "budget", "per",
        "consent", "banner", "jar", "store",
    )
)  # fmt: skip
_COUNTED_TOKENS = frozenset(
    (
        "max", "min", "total", "prompt", "completion", "input", "output", "num", "n", "number", "count",
        "cached", "reasoning", "used", "remaining",
    )
)  # fmt: skip
_ADDRESS_NAMES = frozenset(
    ("ip", "ip_address", "ip_addr", "ipaddress", "remote_addr", "remote_address", "client_ip", "user_ip")
    + ("forwarded_for", "x_forwarded_for", "x_real_ip", "cf_connecting_ip", "true_client_ip", "forwarded")
    + ("http_x_forwarded_for", "http_x_real_ip", "http_forwarded", "http_client_ip", "client_addr", "peer_ip")
)
_WORKING_DIRECTORIES = frozenset(("PWD", "OLDPWD"))


def words(name: str) -> list[str]:
    """The words of a name in lower case: `HTTPAuthToken` gives http, auth, token."""
    parts: list[str] = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name[:_LONGEST_NAME])
    return [part.lower() for part in parts]


def is_secret_name(name: str) -> bool:
    """Whether what stands under `name` is a secret by the built-in rules."""
    if name in _WORKING_DIRECTORIES:
        return False
    found = words(name)
    if not found or found[-1] in _HARMLESS_ENDINGS:
        return False
    if found[-1] in _AT_THE_END or not _PAIRS.isdisjoint(pairwise(found)):
        return True
    return any(_is_secret_word(word) for word in found) and not _counts_tokens(found)


def is_address_name(name: str) -> bool:
    """Whether an IP address stands under `name`."""
    return "_".join(words(name)) in _ADDRESS_NAMES


def _is_secret_word(word: str) -> bool:
    singular = word.removesuffix("s")
    return word in _ANYWHERE or singular in _ANYWHERE or singular.endswith(_ENDINGS)


def _counts_tokens(found: list[str]) -> bool:
    """`max_tokens` and `prompt_tokens` are numbers that language models deal in."""
    return "tokens" in found and not _COUNTED_TOKENS.isdisjoint(found)
