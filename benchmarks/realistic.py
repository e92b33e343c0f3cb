"""A deterministic stream of realistic events, for benchmarks, dictionaries and tests.

`events()` gives the native event body of the HTTP interface, or what the Sentry SDKs of Python, Node
and Java send. Events fall on distinct bugs by a Zipf-like law. What a bug fixes (exception, stack,
source lines, installed modules) is the same in all its events; what life varies (ids, uuids, local
variables, object addresses, breadcrumbs, users, hosts, releases, times, headers, trace ids) is new in each.

How honest the shapes and the entropy are is measured by `python -m benchmarks.sdk_shapes`, which runs the
real sentry-sdk 2.75 over failing WSGI, Flask with SQLAlchemy, asyncio, thread pool, logging and chained
programs and compares. Measured on Python 3.11, real against generated Python events: 7,990 and 10,860 bytes,
885 and 766 bytes a frame, 3.2 and 3.0 locals a frame, 1 : 2.9 and 1 : 2.6 by zstd alone; a second event of
a known bug adds 229 and 826 bytes (the small programs vary less than life does, so the generator errs on the
side of more entropy). Node events follow captures of @sentry/node 10 (9,220 bytes, 10 frames). Java events
follow what sentry-java documents and well-known Spring, Kafka and Hibernate stacks: no real capture was at
hand. No production traffic was used. Python frames are real lines of the standard library, JavaScript lines
are synthetic, so figures for Node compression are less certain than those for Python.

Same seed, same arguments and same Python version give the same events.
"""

from __future__ import annotations

import functools
import json
import re
import tempfile
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from benchmarks import bugs
from benchmarks.vocabulary import FIRST_NAMES, LAST_NAMES, NOUNS, USER_AGENTS
from crashvault import clock

START = clock.from_iso("2026-09-01T00:00:00Z")
SPAN = 30 * clock.DAY
HOSTS = 50
RELEASES = 30
USERS = 50_000
TENANTS = 2_000
ENVIRONMENTS = ("production", "production", "production", "production", "staging", "canary", "development")
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-southeast-1", "sa-east-1")
LOCALES = ("en-GB", "en-US", "de-DE", "fr-FR", "es-ES", "pt-BR", "ja-JP", "it-IT", "nl-NL", "pl-PL")
TAILS = ("", "", "", " (attempt {0})", " [retry {0} of 5]", "; giving up after {0} tries", " on shard {0}")
_HOLE = re.compile(r'"\\u00ab#(\w+)\\u00bb"|\\u00ab(\w+)\\u00bb')  # «name», as JSON in ASCII writes it
_HOLE_NAMES = tuple(
    f"""event_hex event_id moment iso trace span parent user ip agent host release environment pid tail crumbs
    request_id region tier tenant locale shard memory started day h0 f0 f1 b0 b1 b2
    {" ".join(f"a{i}" for i in range(8))} {" ".join(f"id{i}" for i in range(6))}
    {" ".join(f"u{i}" for i in range(3))} {" ".join(f"w{i}" for i in range(4))}
    {" ".join(f"n{i}" for i in range(4))}""".split()
)
_HOLES = {name: index for index, name in enumerate(_HOLE_NAMES)}
_CRUMB_HOLES = {name: i for i, name in enumerate(("moment", "id", "word", "uuid", "small", "byte", "status"))}


class Template(NamedTuple):
    """JSON text with %s for every hole, and what takes the values for them, in order, from a pool."""

    text: str
    pick: Callable[[list[Any]], tuple[Any, ...]]


class Moment(NamedTuple):
    """Which bug is next, when, and on which release."""

    bug: int
    time: int  # microseconds since the epoch
    release: int


def events(
    n: int,
    issues: int = 20_000,
    seed: int = 0,
    start: int = START,
    span: int = SPAN,
    shape: str = "native",
) -> Iterator[dict[str, Any]]:
    """`n` events over `issues` bugs within `span` microseconds from `start`; shape "native" or "sentry"."""
    return map(msgspec.json.decode, json_lines(n, issues, seed, start, span, shape))


def numbered_events(
    n: int, issues: int = 20_000, seed: int = 0, shape: str = "native"
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same events as `events()`, each with the number of its bug: the truth that grouping should find."""
    numbers = (moment.bug for moment in _moments(n, issues, seed, START, SPAN))
    return zip(numbers, events(n, issues, seed, shape=shape), strict=True)


def json_lines(
    n: int,
    issues: int = 20_000,
    seed: int = 0,
    start: int = START,
    span: int = SPAN,
    shape: str = "native",
) -> Iterator[str]:
    """The same events as JSON text, one each, ASCII, without a line end."""
    rng = Random(f"values/{seed}")
    for moment in _moments(n, issues, seed, start, span):
        body, owner = _template(seed, moment.bug, moment.release * 3 // RELEASES, shape)
        yield body.text % body.pick(_pool(rng, seed, moment, owner))


def write_jsonl(path: str | Path, n: int, **options: Any) -> Path:
    """Write `n` events as JSON lines to `path`, unless that file exists already. Options as of `events()`."""
    path = Path(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.tmp")
        with partial.open("w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in json_lines(n, **options))
        partial.replace(path)
    return path


def cached_jsonl(n: int, issues: int = 20_000, seed: int = 0, shape: str = "native") -> Path:
    """A file of `n` events in the system's temporary folder, made once and kept there."""
    folder = Path(tempfile.gettempdir()) / "crashvault-benchmarks"
    name = f"{shape}-{n}-{issues}-{seed}-{_generator_version()}.jsonl"
    return write_jsonl(folder / name, n, issues=issues, seed=seed, shape=shape)


def read_jsonl(path: str | Path, limit: int | None = None) -> Iterator[bytes]:
    """The lines of such a file, without their ends."""
    with Path(path).open("rb") as file:
        for line in islice(file, limit):
            yield line.rstrip(b"\n")


def _generator_version() -> str:
    """Changes when the generator's own code changes, so that no stale cache is read."""
    import hashlib

    digest = hashlib.sha1()
    for name in ("realistic.py", "bugs.py", "sources.py", "vocabulary.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:8]


def _moments(n: int, issues: int, seed: int, start: int, span: int) -> Iterator[Moment]:
    """Bugs by a Zipf-like law; times rise evenly with jitter; releases follow time with a lag."""
    rng = Random(f"moments/{seed}/{issues}")
    cumulative = list(accumulate(1 / (rank + 3) ** 1.05 for rank in range(issues)))
    total = cumulative[-1]
    order = list(range(issues))
    rng.shuffle(order)
    for number in range(n):
        share = (number + rng.random()) / n
        lag = int(rng.expovariate(1.2))
        release = min(RELEASES - 1, max(0, int(share * (RELEASES + 2)) - lag))
        rank = min(issues - 1, bisect(cumulative, rng.random() * total))
        yield Moment(order[rank], start + int(share * span), release)


@functools.lru_cache(maxsize=8192)
def _template(seed: int, number: int, epoch: int, shape: str) -> tuple[Template, bugs.Service]:
    bug = bugs.build(seed, number, epoch)
    body = bug.payload if shape == "sentry" else native_body(bug.payload)
    return _compile(body, _HOLES), bug.service


def _compile(value: Any, holes: dict[str, int]) -> Template:
    text = json.dumps(value, separators=(",", ":")).replace("%", "%%")
    found = [holes[match[1] or match[2]] for match in _HOLE.finditer(text)]
    pick = itemgetter(*found) if len(found) > 1 else lambda pool: tuple(pool[index] for index in found)
    return Template(_HOLE.sub("%s", text), pick)


def native_body(payload: dict[str, Any]) -> dict[str, Any]:
    """The native event body that a client would send for what a Sentry payload says."""
    raised = payload["exception"]["values"][-1] if "exception" in payload else None
    stack = raised or payload["threads"]["values"][0]
    frames = [_native_frame(frame) for frame in stack["stacktrace"]["frames"]]
    body: dict[str, Any] = {"event_id": "«event_id»", "timestamp": "«iso»"}
    if raised:
        kind = ".".join(filter(None, (raised["module"], raised["type"])))
        body |= {"message": raised["value"], "exception": {"type": kind, "value": raised["value"]}}
    else:
        body["message"] = payload["logentry"]["formatted"]
    kept = ("request", "transaction", "contexts", "modules", "sdk", "extra")
    return body | {
        "level": "critical" if payload["level"] == "fatal" else payload["level"],
        "tags": payload["tags"],
        "context": {key: payload[key] for key in kept},
        "source": frames[-1].get("file") or frames[-1]["module"],
        "line": frames[-1].get("line", 1),
        "host": payload["server_name"],
        "pid": "«#pid»",
        "release": payload["release"],
        "environment": payload["environment"],
        "user": payload["user"],
        "frames": frames,
        "breadcrumbs": payload["breadcrumbs"]["values"],
        "trace_id": "«trace»",
        "span_id": "«span»",
    }


_NATIVE_NAMES = {"filename": "file", "lineno": "line", "colno": "column"}


def _native_frame(frame: dict[str, Any]) -> dict[str, Any]:
    return {_NATIVE_NAMES.get(key, key): value for key, value in frame.items()}


# --- what differs from event to event -------------------------------------------------------------


def _pool(rng: Random, seed: int, moment: Moment, owner: bugs.Service) -> list[Any]:
    """A value for every name of `_HOLE_NAMES`, in that order."""
    noise = rng.randbytes(256).hex()
    bits = rng.getrandbits(256)
    epoch_float = moment.time / clock.SECOND
    iso = _iso(moment.time)
    node = owner.platform == "node"
    heap = noise[:5]
    tail = TAILS[bits % len(TAILS)].format(bits >> 3 & 7)
    host = bits >> 8 & 0xFFFF
    pool = [
        noise[:32],
        _uuid(noise, 0),
        epoch_float if node else f'"{iso}"',
        iso,
        noise[32:64],
        noise[64:80],
        noise[80:96],
        _user(rng),
        f"{bits >> 24 & 0xFF}.{bits >> 32 & 0xFF}.{bits >> 40 & 0xFF}.{bits >> 48 & 0xFF}",
        USER_AGENTS[(bits >> 56 & 0xFFFF) % len(USER_AGENTS)],
        _hosts()[host % HOSTS],
        _release(seed, moment.release),
        ENVIRONMENTS[(bits >> 72 & 0xFF) % len(ENVIRONMENTS)],
        1000 + (bits >> 80 & 0x7FFF),
        tail,
        _crumbs(rng, owner, moment.time, node),
        _uuid(noise, 96),
        REGIONS[host % len(REGIONS)],
        ("free", "pro", "enterprise")[(bits >> 96 & 0xFF) % 3],
        f"tenant-{int(TENANTS ** rng.random())}",
        LOCALES[(bits >> 104 & 0xFF) % len(LOCALES)],
        bits >> 112 & 15,
        90_000_000 + (bits >> 116 & 0xFFFFFFF),
        f"{iso[:8]}{1 + (bits >> 144 & 15):02}T04:{bits >> 148 & 31:02}:11.000Z",
        f"20{20 + (bits >> 153 & 7)}-{1 + (bits >> 156) % 12:02}-{1 + (bits >> 160) % 28:02}",
        noise[128:168],
        f"{(bits >> 164 & 0xFFFFF) / 100:.2f}",
        f"{(bits >> 184 & 0xFFF) / 10:.1f}",
        bits >> 196 & 0xFF,
        bits >> 204 & 0xFF,
        bits >> 212 & 0xFF,
    ]
    pool += [f"7f{heap}{noise[at : at + 5]}" for at in range(168, 208, 5)]
    pool += [
        int(noise[at : at + length], 16) for at, length in ((208, 6), (214, 5), (219, 7), (226, 4), (230, 6), (236, 5))
    ]
    pool += [_uuid(noise, 241), _uuid(noise, 280), _uuid(noise, 320)]
    pool += [_word(noise, at) for at in (360, 370, 380, 390)]
    pool += [int(noise[at : at + length], 16) for at, length in ((400, 2), (402, 3), (405, 2), (407, 4))]
    return pool


def _uuid(noise: str, at: int) -> str:
    return f"{noise[at : at + 8]}-{noise[at + 8 : at + 12]}-4{noise[at + 13 : at + 16]}-a{noise[at + 17 : at + 20]}-{noise[at + 20 : at + 32]}"


def _word(noise: str, at: int) -> str:
    """A short word of the data: a stock keeping unit, an e-mail address, a slug or a plain name."""
    number = int(noise[at : at + 8], 16)
    kind, number = number & 3, number >> 2
    noun = NOUNS[number % len(NOUNS)]
    if kind == 0:
        return f"SKU-{number % 100_000:05}-{noun[:2].upper()}"
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    if kind == 1:
        return f"{first}.{LAST_NAMES[(number >> 8) % len(LAST_NAMES)]}@{noun}.example"
    return f"{noun}-{number & 0xFFFF}" if kind == 2 else f"{first}{number & 0x3FF}"


@functools.cache
def _hosts() -> tuple[str, ...]:
    roles = ("web", "worker", "api", "cron", "batch")
    return tuple(
        f"{roles[index % 5]}-{index:02}.{REGIONS[index % len(REGIONS)]}.acme.internal" for index in range(HOSTS)
    )


@functools.cache
def _release(seed: int, index: int) -> str:
    return f"acme@2026.{index // 4 + 30}.{index % 4}+{Random(f'release/{seed}/{index}').randbytes(4).hex()[:7]}"


def _user(rng: Random) -> str:
    number = int(USERS ** rng.random())
    first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number // 50 % len(LAST_NAMES)]
    address = f"{number % 223 + 1}.{number * 7 % 256}.{number * 13 % 256}.{number * 31 % 256}"
    return f'{{"id": "{100_000 + number}", "username": "{first}.{last}{number}", "email": "{first}.{last}{number}@mail.example", "ip_address": "{address}"}}'


def _crumbs(rng: Random, owner: bugs.Service, time: int, node: bool) -> str:
    """A JSON list of 3 to 11 breadcrumbs, the last ones before `time`."""
    templates = _service_crumbs(owner.name, owner)
    count = 3 + int(rng.random() ** 2 * 9)
    moment = time - rng.randrange(30 * clock.SECOND)
    step = (time - moment) // count
    written = []
    for index in range(count):
        bits = rng.getrandbits(224)
        text, pick = templates[bits % len(templates)]
        when = moment + step * index + (bits >> 8) % (step + 1)
        digits = f"{bits >> 96:032x}"
        pool = [
            when / clock.SECOND if node else f'"{_iso(when)}"',
            bits >> 20 & 0xFFFFFF,
            _word(digits, 2),
            _uuid(digits, 0),
            bits >> 44 & 0x3FF,
            bits >> 54 & 0xFF,
            (200, 200, 200, 201, 204, 304, 404, 502)[bits >> 62 & 7],
        ]
        written.append(text % pick(pool))
    return f"[{','.join(written)}]"


_compiled_crumbs: dict[str, list[Template]] = {}


def _service_crumbs(name: str, owner: bugs.Service) -> list[Template]:
    if name not in _compiled_crumbs:
        _compiled_crumbs[name] = [_compile(crumb, _CRUMB_HOLES) for crumb in owner.crumbs]
    return _compiled_crumbs[name]


@functools.lru_cache(maxsize=128)
def _day(number: int) -> str:
    return clock.to_iso(number * clock.DAY)[:11]


def _iso(time: int) -> str:
    days, rest = divmod(time, clock.DAY)
    seconds, micros = divmod(rest, clock.SECOND)
    return f"{_day(days)}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}Z"
