"""Small random vaults and random queries about them, for tests that compare the store with a naive answer."""

from __future__ import annotations

import uuid
from random import Random
from typing import Any

from crashvault import lifecycle, pipeline
from crashvault.clock import DAY, HOUR, MINUTE
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000  # microseconds; 2026-09-21

WORDS = (
    "timeout", "connection", "reset", "peer", "order", "orders", "Straße", "café", "ÉCOLE", "Ωmega", "db", "x",
    "naïve", "İstanbul", "日本語", "retry", "failed", "user", "not", "found", "42", "errno104", "a_b", "ﬁle",
)  # fmt: skip
TAGS = (
    "db",
    "cache",
    "region=eu",
    "region=us",
    "Region=EU-west",
    "a=b=c",
    "k=",
    "tier=gold plan",
    "日本=語",
    "x,y",
    "T(1)",
)
RELEASES = ("1.0.0", "1.0", "2.4.1", "2.4.10", "shop@3.0-BETA", "v*", "long" * 60 + "A", "long" * 60 + "B")
HOSTS = ("web-1", "web-2", "WEB-10", "db\\1", "ß-host")
ENVIRONMENTS = ("production", "staging", "Prod")
SOURCES = ("cron", "nightly, full", "http://x/y?z=1", "s" * 1500 + "-end")
FILES = (
    "orders/api.py", "/srv/app/orders/api.py", "C:\\app\\orders\\api.py", "src/Main.java", "lib/[x]/y.js", "<string>",
    "node_modules/" + "deep/" * 60 + "index.js", "Straße/ß.py",
)  # fmt: skip
FUNCTIONS = ("main", "handle_order", "<module>", "Foo::bar(int)", "λ", "Handle_Order")
MODULES = ("orders.api", "orders", "java.util", "", "__main__")
TYPES = ("ValueError", "TimeoutError", "socket.timeout", "Σφάλμα", "valueerror")
PEOPLE = ("ana", "Bob", "ana@example.com", "10.0.0.7", "4711", "Zoë")
PLATFORMS = ("python", "javascript", "java")
PROJECTS = ("default", "shop", "Shop2")


def sentence(random: Random) -> str:
    glue = random.choice((" ", " ", ", ", "-", ": ", "/", "_"))
    return glue.join(random.choices(WORDS, k=random.randint(1, 5)))


def frame(random: Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "file": random.choice(FILES), "function": random.choice(FUNCTIONS), "line": random.randint(1, 4),
        "in_app": random.random() < 0.6,
    }  # fmt: skip
    if random.random() < 0.5:
        made["module"] = random.choice(MODULES)
    if random.random() < 0.4:
        made["context_line"] = sentence(random)
    if random.random() < 0.4:
        made["vars"] = {random.choice(WORDS): random.choice((1, 2.5, None, True, sentence(random), [sentence(random)]))}
    if random.random() < 0.1:
        del made["file"]
    return made


def user(random: Random) -> Any:
    kind = random.randrange(5)
    if kind == 0:
        return random.choice(PEOPLE)
    if kind == 1:
        return {"id": random.choice((4711, 0, 1.5, True, "Bob", 10**17))}
    if kind == 2:
        return {"email": random.choice(PEOPLE), "username": random.choice(PEOPLE), "ip_address": random.choice(PEOPLE)}
    if kind == 3:
        return {"plan": "gold"}
    return {"id": random.choice(PEOPLE), "email": random.choice(PEOPLE)}


def raw_event(random: Random, now: int = NOW) -> dict[str, Any]:
    """The body of one random event; its time is near a few round ones, so that equal times occur."""
    raw: dict[str, Any] = {
        "event_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "timestamp": (now - random.choice((0, MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY, 40 * DAY))) / 1_000_000,
        "level": random.choice(("debug", "info", "warning", "error", "critical", "fatal", "audit")),
    }
    shape = random.randrange(4)
    if shape != 1:
        raw["message"] = sentence(random)
    if shape == 1 or random.random() < 0.4:
        raw["exceptions"] = [_exception(random) for _ in range(random.choice((1, 1, 2)))]
    elif shape == 2:
        raw["frames"] = [frame(random) for _ in range(random.randint(1, 3))]
    for key, values in (
        ("release", RELEASES), ("host", HOSTS), ("environment", ENVIRONMENTS), ("source", SOURCES),
        ("platform", PLATFORMS), ("logger", WORDS), ("transaction", WORDS),
    ):  # fmt: skip
        if random.random() < 0.4:
            raw[key] = random.choice(values)
    if random.random() < 0.5:
        raw["tags"] = random.sample(TAGS, random.randint(1, 4))
    if random.random() < 0.5:
        raw["user"] = user(random)
    if random.random() < 0.3:
        raw["trace_id"] = f"{random.choice((0xABC, 0xABD, 7)):032x}"
    if random.random() < 0.3:
        raw["context"] = {"os": {"name": random.choice(("linux", "mac"))}, "job": sentence(random)}
    if random.random() < 0.2:
        raw["modules"] = {"click": random.choice(("8.1", "8.2"))}
    if random.random() < 0.1:
        raw["fingerprint"] = [random.choice(WORDS)]
    return raw


def _exception(random: Random) -> dict[str, Any]:
    made: dict[str, Any] = {"type": random.choice(TYPES), "value": sentence(random)}
    if random.random() < 0.3:
        made["module"] = random.choice(("socket", "Orders"))
    if random.random() < 0.7:
        made["frames"] = [frame(random) for _ in range(random.randint(1, 3))]
    return made


def fill(store: Store, random: Random, count: int, now: int = NOW) -> list[dict[str, Any]]:
    """Record random events in batches of random sizes into random projects; the bodies, each with its project."""
    if "audit" not in store.levels.ranks():
        store.levels.add("audit", 35, None, None)
    bodies = [{**raw_event(random, now), "project": random.choice(PROJECTS)} for _ in range(count)]
    record(store, random, bodies, now)
    return bodies


def record(store: Store, random: Random, bodies: list[dict[str, Any]], now: int = NOW) -> None:
    """Record bodies in their order; neighbours of one project in batches."""
    from copy import deepcopy

    pending: list[dict[str, Any]] = []
    for body in [*bodies, None]:
        if pending and (body is None or body["project"] != pending[0]["project"] or random.random() < 0.3):
            raws = [{key: value for key, value in deepcopy(item).items() if key != "project"} for item in pending]
            pipeline.record_events(store, raws, project=pending[0]["project"], received_at=now)
            pending = []
        if body is not None:
            pending.append(body)


def issue_ids(store: Store) -> list[int]:
    return [row[0] for row in store.db.rows("SELECT id FROM issues WHERE merged_into IS NULL ORDER BY id")]


def triage(store: Store, random: Random, now: int = NOW) -> None:
    """Give random issues states, people, tags; merge some."""
    ids = issue_ids(store)
    for issue in ids:
        if random.random() < 0.3:
            lifecycle.set_status(store, [issue], random.choice(("resolved", "ignored", "open")), "ana", now)
        if random.random() < 0.3:
            lifecycle.set_severity(store, [issue], random.choice(("low", "medium", "high", "critical")), "ana", now)
        if random.random() < 0.3:
            lifecycle.assign(store, [issue], random.choice(("ana", "Bob", None)), "ana", now)
        with store.writing():
            if random.random() < 0.2:
                store.triage.update(issue, now, category=random.choice(("network", "Logic")))
            if random.random() < 0.2:
                store.triage.update(issue, now, is_regressed=1)
            if random.random() < 0.2:
                store.db.execute("UPDATE issues SET created_at = ? WHERE id = ?", (now - 2 * DAY, issue))
            if random.random() < 0.2:
                store.db.execute("INSERT INTO issue_tags (issue_id, tag) VALUES (?, ?)", (issue, random.choice(TAGS)))
    for _ in range(len(ids) // 6):
        target, other = random.sample(issue_ids(store), 2)
        if store.issues.get(target).project == store.issues.get(other).project:
            merge(store, target, other)


def merge(store: Store, target: int, other: int) -> None:
    lifecycle.merge(store, target, [other], "ana", NOW)


# Queries


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _starred(random: Random, text: str) -> str:
    """A value with wildcards in it that fits the text."""
    if len(text) < 2:
        return _quoted(text)
    start, end = sorted(random.sample(range(len(text) + 1), 2))
    kind = random.randrange(4)
    if kind == 0:
        return f"{_quoted(text[:end])}*"
    if kind == 1:
        return f"*{_quoted(text[start:])}"
    if kind == 2:
        return f"*{_quoted(text[start:end])}*"
    return f"{_quoted(text[:start])}*{_quoted(text[end:])}"


def _value(random: Random, values: tuple[str, ...]) -> str:
    text = random.choice(values)[:60] if random.random() < 0.3 else random.choice(values)
    text = random.choice((text, text.upper(), text)) or "x"
    return _starred(random, text) if random.random() < 0.4 else _quoted(text)


def _values(random: Random, values: tuple[str, ...]) -> str:
    return ",".join(_value(random, values) for _ in range(random.choice((1, 1, 1, 2, 3))))


_SPACES: dict[str, tuple[str, ...]] = {
    "tag": TAGS, "tag.region": ("eu", "us", "EU-west"), "tag.a": ("b=c", "b"), "project": PROJECTS, "release": RELEASES,
    "environment": ENVIRONMENTS, "host": HOSTS, "user": (*PEOPLE, "0", "1.5", "true"), "platform": PLATFORMS,
    "source": SOURCES, "exception": (*TYPES, "socket.timeout", "Orders.ValueError"), "file": (*FILES, "api.py"),
    "function": FUNCTIONS, "module": MODULES, "category": ("network", "logic"), "assigned": ("ana", "bob"),
}  # fmt: skip
_HAS = (
    "level", "severity", "status", "tag", "project", "release", "environment", "host", "user", "platform", "source",
    "exception", "message", "file", "function", "module", "line", "category", "issue", "event", "trace", "fingerprint",
    "assigned", "count", "users", "first-seen", "last-seen", "tag.region", "tag.a", "tag.a=b", "tag.nothing",
)  # fmt: skip
_OPS = (">", ">=", "<", "<=")


def _field_query(random: Random, known: dict[str, list[str]]) -> str:
    kind = random.randrange(11)
    if kind <= 3:
        field = random.choice(list(_SPACES))
        return f"{field}:{_values(random, _SPACES[field])}"
    if kind == 4:
        return f"has:{random.choice(_HAS)}"
    if kind == 5:
        name = random.choice(("warning", "error", "audit", "critical", "debug"))
        return f"level:{random.choice(('', *_OPS))}{name}"
    if kind == 6:
        return random.choice((
            "is:open", "is:new", "is:regressed", "is:assigned", "is:unassigned", "is:resolved,new", "status:ignored",
            "severity:high,low", "severity:>=medium", "severity:*", "is:regressed,unassigned", "level:*i*",
        ))  # fmt: skip
    if kind == 7:
        field = random.choice(("count", "users", "line", "issue"))
        return f"{field}:{random.choice(('', '', *_OPS))}{random.randint(0, 6)}"
    if kind == 8:
        field, op = random.choice(("first-seen", "last-seen")), random.choice(("", *_OPS))
        return random.choice((f"{field}:{op}", "since:", "until:")) + random.choice(
            ("1h", "1m", "2h", "2d", "today", "60d")
        )
    if kind == 9:
        field = random.choice(("event", "fingerprint", "trace"))
        ids = random.sample(known[field], min(len(known[field]), random.choice((1, 2))))
        return f"{field}:" + ",".join(
            text[: random.choice((2, 3, 8, 40))] + random.choice(("", "", "*")) for text in ids
        )
    text = sentence(random)
    return f"message:{_starred(random, text) if random.random() < 0.5 else _quoted(text)}"


def _leaf(random: Random, known: dict[str, list[str]]) -> str:
    kind = random.randrange(10)
    if kind < 6:
        return _field_query(random, known)
    if kind == 6:
        word = random.choice(WORDS)
        start, end = sorted((random.randint(0, len(word)), random.randint(0, len(word))))
        return random.choice(
            (f"{word[:end]}*", f"*{word[start:]}", f"*{word[start:end]}*", f"{word[:start]}*{word[end:]}")
        )
    if kind == 7:
        return _quoted(sentence(random))
    return random.choice(WORDS)


def query(random: Random, known: dict[str, list[str]], depth: int = 3) -> str:
    """A random query; `known` has some ids of `event`, `trace` and `fingerprint` that exist."""
    if depth == 0 or random.random() < 0.35:
        leaf = _leaf(random, known)
        return f"-{leaf}" if random.random() < 0.25 else leaf
    parts = [query(random, known, depth - 1) for _ in range(random.choice((2, 2, 3)))]
    joined = random.choice((" ", " ", " OR ")).join(parts)
    return f"{random.choice(('', '', '-'))}({joined})"


def known_ids(store: Store) -> dict[str, list[str]]:
    return {
        "event": [row[0].hex() for row in store.db.rows("SELECT event_id FROM events")],
        "fingerprint": [row[0].hex() for row in store.db.rows("SELECT hash FROM hashes")],
        "trace": [f"{number:032x}" for number in (0xABC, 0xABD, 7)],
    }
