"""Events of other shapes than those of the benchmarks, so that a dictionary is not fitted to these.

Each function yields raw events as they reach `normalize`: what a person types with `add`, what a
wrapped command leaves, OpenTelemetry logs, small and large native events, stacks as text.
`unfamiliar()` replaces the generator's own vocabulary by invented words, other ones in each event: what a
dictionary then still learns is structure and what programs really have in common.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from benchmarks import realistic, sources
from benchmarks.vocabulary import (
    EXCEPTIONS,
    FIRST_NAMES,
    LAST_NAMES,
    MESSAGES,
    NOUNS,
    PLATFORM_MESSAGES,
    PROPERTIES,
    SERVICES,
    VERBS,
)

Raw = dict[str, Any]

_TOOLS = ("pytest -x", "make build", "npm test", "cargo test", "go test ./...", "rsync -a", "pg_dump", "terraform apply",
          "docker build .", "python manage.py migrate", "gradle assemble", "backup.sh", "ffmpeg -i", "./deploy")  # fmt: skip


def native(n: int, seed: int) -> Iterator[Raw]:
    """The generator's native events."""
    return realistic.events(n, issues=n, seed=seed)


def sentry(n: int, seed: int) -> Iterator[Raw]:
    """The generator's Sentry payloads, as the native fields that hold the same."""
    return map(of_sentry, realistic.events(n, issues=n, seed=seed, shape="sentry"))


def of_sentry(payload: Raw) -> Raw:
    """The fields of a Sentry payload under the names that `normalize` reads."""
    kept = ("event_id", "timestamp", "level", "platform", "release", "environment", "transaction", "user", "tags",
            "request", "modules", "sdk", "exception", "threads", "logger", "breadcrumbs")  # fmt: skip
    raw = {key: payload[key] for key in kept if key in payload}
    contexts = dict(payload.get("contexts", {}))
    trace = contexts.pop("trace", {})
    raw |= {key: trace[key] for key in ("trace_id", "span_id") if key in trace}
    raw["host"] = payload.get("server_name")
    raw["context"] = {**contexts, **payload.get("extra", {})}
    if "logentry" in payload:
        raw["message"] = payload["logentry"]
    return raw


def cli_adds(n: int, seed: int) -> Iterator[Raw]:
    """`crashvault add MESSAGE` with a few options."""
    rng = Random(f"add/{seed}")
    for _ in range(n):
        raw = _base(rng, _message(rng))
        if rng.random() < 0.5:
            raw["tags"] = rng.sample(NOUNS, rng.randint(1, 3))
        if rng.random() < 0.4:
            raw["context"] = {rng.choice(PROPERTIES): str(rng.randrange(10**5)) for _ in range(rng.randint(1, 4))}
        if rng.random() < 0.3:
            raw["stack"] = text_stack(rng)
        yield raw


def wraps(n: int, seed: int) -> Iterator[Raw]:
    """What a failed command under `crashvault wrap` leaves."""
    rng = Random(f"wrap/{seed}")
    for _ in range(n):
        command = f"{rng.choice(_TOOLS)} {rng.choice(NOUNS)}-{rng.choice(VERBS)}"
        code = rng.choice((1, 1, 1, 2, 101, 127, 137, 139))
        lines = [_log_line(rng) for _ in range(rng.randint(3, 60))]
        stack = text_stack(rng) if rng.random() < 0.6 else ""
        raw = _base(rng, f"{command} exited with code {code}") | {"source": command.split()[0]}
        raw["tags"] = ["wrap", f"exit_code={code}"]
        raw["context"] = {
            "command": command.split(),
            "exit_code": code,
            "duration": round(rng.random() * 90, 3),
            "cwd": f"/home/{rng.choice(FIRST_NAMES)}/src/{rng.choice(SERVICES)}",
            "output": "\n".join([*lines, stack]),
        }
        if stack:
            raw["stack"] = stack
        yield raw


def otel(n: int, seed: int) -> Iterator[Raw]:
    """OTLP log records with exceptions: attributes and a stack as text."""
    rng = Random(f"otel/{seed}")
    for _ in range(n):
        service, noun, message = rng.choice(SERVICES), rng.choice(NOUNS), _message(rng)
        kind = rng.choice(EXCEPTIONS["java"]).format(service=service, Noun=noun.title(), Verb="Load")
        raw = _base(rng, message) | {
            "exception": {"type": kind, "value": message},
            "stacktrace": text_stack(rng),
        }
        raw |= {
            "trace_id": rng.randbytes(16).hex(),
            "span_id": rng.randbytes(8).hex(),
            "release": f"1.{rng.randint(0, 99)}",
        }
        raw["context"] = {
            "resource": {
                "service.name": service,
                "service.version": raw["release"],
                "service.instance.id": rng.randbytes(16).hex(),
                "telemetry.sdk.language": rng.choice(("java", "python", "nodejs", "go")),
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.version": "1.38.0",
                "deployment.environment.name": rng.choice(realistic.ENVIRONMENTS),
                "host.name": raw["host"],
                "k8s.namespace.name": service,
                "k8s.pod.name": f"{service}-{rng.randbytes(5).hex()}",
                "process.pid": raw["pid"],
            },
            "attributes": {
                "http.request.method": rng.choice(("GET", "POST")),
                "http.response.status_code": 500,
                "url.path": f"/{noun}s/{rng.randrange(10**6)}",
                "thread.name": f"http-nio-8080-exec-{rng.randint(1, 64)}",
                "code.function.name": f"{rng.choice(VERBS)}{noun.title()}",
            },
            "scope": {"name": f"com.acme.{service}", "version": "1.0"},
            "severity_text": "ERROR",
        }
        yield raw


def small_native(n: int, seed: int) -> Iterator[Raw]:
    """Hand-written HTTP clients: few fields, a browser's or a shell script's."""
    rng = Random(f"small/{seed}")
    for _ in range(n):
        service, noun, message = rng.choice(SERVICES), rng.choice(NOUNS), _message(rng)
        raw: Raw = {
            "message": message,
            "level": rng.choice(("error", "warning", "info")),
            "release": f"v{rng.randint(1, 200)}",
        }
        raw["url"] = f"https://{service}.example.com/static/js/{noun}.{rng.randbytes(4).hex()}.js"
        raw |= {
            "lineno": rng.randint(1, 900),
            "colno": rng.randint(1, 4000),
            "tags": {"page": f"/{noun}", "locale": "en"},
        }
        raw["frames"] = [
            {
                "file": f"/static/js/{rng.choice(NOUNS)}.{rng.randbytes(4).hex()}.js",
                "line": rng.randint(1, 900),
                "column": rng.randint(1, 4000),
                "function": f"{rng.choice(VERBS)}{rng.choice(NOUNS).title()}",
            }
            for _ in range(rng.randint(1, 9))
        ]
        yield raw | ({"user": str(rng.randrange(10**6))} if rng.random() < 0.5 else {})


SHAPES: dict[str, Callable[[int, int], Iterator[Raw]]] = {
    "native": native,
    "sentry": sentry,
    "add": cli_adds,
    "wrap": wraps,
    "otel": otel,
    "small": small_native,
}


def _base(rng: Random, message: str) -> Raw:
    host = f"{rng.choice(FIRST_NAMES)}-{rng.choice(('laptop', 'desktop', 'build'))}{rng.randint(1, 40)}"
    level = rng.choice(("error", "error", "warning", "critical"))
    return {"message": message, "level": level, "host": host, "pid": rng.randint(300, 99999)}


def _message(rng: Random) -> str:
    words = {name: rng.choice(NOUNS) for name in ("noun", "other")}
    words |= {"verb": rng.choice(VERBS), "prop": rng.choice(PROPERTIES), "service": rng.choice(SERVICES)}
    words |= {"Noun": words["noun"].title(), "Other": words["other"].title(), "limit": "10", "port": "5"}
    choices = rng.choice((MESSAGES, *PLATFORM_MESSAGES.values()))
    return re.sub("«[^»]*»", lambda _: str(rng.randrange(10**6)), rng.choice(choices).format_map(words))


def _log_line(rng: Random) -> str:
    clock = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    level = rng.choice(("INFO", "INFO", "DEBUG", "WARNING", "ERROR"))
    return rng.choice((f"{clock}:07,123 {level} {rng.choice(SERVICES)}: ", f"[{level.lower()}] ", "")) + _message(rng)


# --- stacks as text ---------------------------------------------------------------------------------


def text_stack(rng: Random) -> str:
    """A stack trace of some language as its runtime prints it."""
    return rng.choice((_python_text, _python_text, _java_text, _node_text, _go_text))(rng)


def _python_text(rng: Random) -> str:
    lines = ["Traceback (most recent call last):"]
    for _ in range(rng.randint(2, 9)):
        function = rng.choice(sources.python_functions()[rng.randrange(2)])
        line = sources.crash_line(function, rng)
        root = rng.choice(("/usr/lib/python3.12", "/srv/app", "/home/user/project"))
        lines += [
            f'  File "{root}/{function.path}", line {line.number}, in {function.name}',
            f"    {line.text.strip()}",
        ]
    return "\n".join([*lines, f"{rng.choice(EXCEPTIONS['python'][:15])}: {_message(rng)}"])


def _java_text(rng: Random) -> str:
    lines = [f"{rng.choice(EXCEPTIONS['java'][:10])}: {_message(rng)}"]
    for _ in range(rng.randint(4, 20)):
        noun, verb = rng.choice(NOUNS), rng.choice(VERBS)
        lines.append(
            f"\tat com.{rng.choice(SERVICES)}.{noun}.{noun.title()}Service.{verb}({noun.title()}Service.java:{rng.randint(9, 700)})"
        )
    return "\n".join(lines)


def _node_text(rng: Random) -> str:
    lines = [f"TypeError: {_message(rng)}"]
    for _ in range(rng.randint(3, 9)):
        noun, verb = rng.choice(NOUNS), rng.choice(VERBS)
        lines.append(
            f"    at async {verb}{noun.title()} (/app/src/{noun}.js:{rng.randint(2, 700)}:{rng.randint(2, 60)})"
        )
    return "\n".join(lines)


def _go_text(rng: Random) -> str:
    lines = [f"panic: {_message(rng)}", "", f"goroutine {rng.randint(1, 900)} [running]:"]
    for _ in range(rng.randint(3, 9)):
        noun, verb = rng.choice(NOUNS), rng.choice(VERBS)
        lines.append(f"main.({noun.title()}).{verb.title()}(0xc{rng.randbytes(5).hex()}, 0x{rng.randint(1, 99):x})")
        lines.append(f"\t/go/src/{rng.choice(SERVICES)}/{noun}.go:{rng.randint(9, 700)} +0x{rng.randint(16, 4000):x}")
    return "\n".join(lines)


# --- another vocabulary -----------------------------------------------------------------------------


def unfamiliar(value: Any, salt: int) -> Any:
    """The same value with invented words for the generator's own, in its texts but not in its known keys."""
    rng = Random(salt)
    invented: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        word = match[0].lower()
        if word not in invented:
            invented[word] = "".join(rng.choice(_SYLLABLES) for _ in range(max(1, len(word) // 3)))
        return invented[word].title() if match[0][0].isupper() else invented[word]

    pattern = _own_words()

    def walk(part: Any) -> Any:
        if isinstance(part, str):
            return pattern.sub(replace, part)
        if isinstance(part, list):
            return [walk(item) for item in part]
        return {key: walk(item) for key, item in part.items()} if isinstance(part, dict) else part

    return walk(value)


_SYLLABLES = tuple(f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in "aeiou" for c in ("", "l", "n", "r", "s", "x"))


@functools.cache
def _own_words() -> re.Pattern[str]:
    """The vocabulary without words that real source code is full of."""
    libraries, applications = sources.python_functions()
    files = {function.path: function.lines for function in (*libraries, *applications)}
    text = "\n".join("\n".join(lines) for lines in files.values()).lower()
    words = {
        *NOUNS,
        *VERBS,
        *PROPERTIES,
        *SERVICES,
        *FIRST_NAMES,
        *LAST_NAMES,
        "acme",
        "deadlock",
        "checksum",
    }
    own = sorted((word for word in words if text.count(word.lower()) < 100), key=len, reverse=True)
    return re.compile("|".join(own), re.IGNORECASE)
