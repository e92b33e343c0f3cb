"""Distinct bugs of forty services, each as a Sentry payload with holes for what differs between events.

A hole is `«name»` inside a string, or the string `«#name»` where a bare JSON number or object stands.
`realistic.py` fills them. Everything here follows from (seed, number of the bug, epoch of the release),
so that a bug looks the same in every run, and its line numbers move when a release adds lines above.
"""

from __future__ import annotations

import functools
from random import Random
from typing import Any, NamedTuple

from benchmarks import sources
from benchmarks.vocabulary import (
    CRUMBS,
    EXCEPTIONS,
    JAVA_ENTRIES,
    JAVA_TAILS,
    MESSAGES,
    NODE_ENTRIES,
    NODE_PACKAGES,
    NOUNS,
    PACKAGES,
    PLATFORM_MESSAGES,
    PROPERTIES,
    SERVICES,
    VERBS,
)

Json = dict[str, Any]

PLATFORMS = ("python", "python", "node", "python", "java", "node", "python", "java", "python", "node")
LEVELS = ("error", "warning", "critical", "info", "debug")
LEVEL_WEIGHTS = (70, 14, 6, 7, 3)
SDKS: dict[str, Json] = {
    "python": {
        "name": "sentry.python.flask",
        "version": "2.75.0",
        "packages": [{"name": "pypi:sentry-sdk", "version": "2.75.0"}],
        "integrations": "argv atexit dedupe excepthook flask logging modules redis sqlalchemy stdlib threading".split(),
    },
    "node": {
        "name": "sentry.javascript.node",
        "version": "10.22.0",
        "packages": [{"name": "npm:@sentry/node", "version": "10.22.0"}],
        "integrations": """InboundFilters FunctionToString LinkedErrors RequestData Console Http NodeFetch
            OnUncaughtException OnUnhandledRejection ContextLines LocalVariables Context ProcessSession Modules""".split(),
    },
    "java": {
        "name": "sentry.java.spring-boot.jakarta",
        "version": "8.25.0",
        "packages": [{"name": "maven:io.sentry:sentry-spring-boot-starter-jakarta", "version": "8.25.0"}],
        "integrations": ["UncaughtExceptionHandler", "ShutdownHook", "SpringBoot", "Logback"],
    },
}


class Service(NamedTuple):
    """One application: its language, the ways into it, its own code and what it logs."""

    name: str
    platform: str
    nouns: list[str]
    entries: list[list[Json]]  # chains of frames, oldest first, that many bugs share
    functions: list[sources.Function]  # Python only
    crumbs: list[Json]  # see crumb_templates()
    modules: dict[str, str]


class Bug(NamedTuple):
    """A payload with holes, as the platform's SDK sends it."""

    number: int
    service: Service
    payload: Json


@functools.cache
def service(seed: int, index: int) -> Service:
    """One of the services; `index` counts from 0."""
    rng = Random(f"service/{seed}/{index}")
    name = SERVICES[index % len(SERVICES)]
    platform = PLATFORMS[index % len(PLATFORMS)]
    nouns = rng.sample(NOUNS, 40)
    functions: list[sources.Function] = []
    if platform == "python":
        _, applications = sources.python_functions()
        paths = sorted({function.path for function in applications})
        own = set(rng.sample(paths, min(40, len(paths))))
        functions = [function for function in applications if function.path in own]
    entries = [_ENTRIES[platform](name, rng) for _ in range(3)]
    packages = rng.sample(NODE_PACKAGES if platform == "node" else PACKAGES, 18)
    modules = {package: _version(rng) for package in sorted(packages)}
    return Service(name, platform, nouns, entries, functions, crumb_templates(name, nouns, rng), modules)


def build(seed: int, number: int, epoch: int) -> Bug:
    """The bug with this number as releases of `epoch` (0, 1, 2) show it."""
    rng = Random(f"bug/{seed}/{number}")
    owner = service(seed, rng.randrange(len(SERVICES)))
    words = _words(owner, rng)
    level = rng.choices(LEVELS, LEVEL_WEIGHTS)[0]
    message = _message(owner.platform, words, rng)
    frames = _STACKS[owner.platform](owner, words, rng)
    shift = (0, 0, 0, 4, 11)[rng.randrange(5)] * epoch
    for frame in frames:
        if frame["in_app"] and "lineno" in frame:
            frame["lineno"] += shift
    payload: Json = {"level": "fatal" if level == "critical" else level}
    if level in ("error", "critical") or rng.random() < 0.3:
        payload["exception"] = {"values": _exceptions(owner, words, message, frames, rng)}
    else:
        payload["logentry"] = {"message": message, "formatted": message, "params": []}
        payload["logger"] = f"{owner.name}.{words['noun']}"
        payload["threads"] = {"values": [{"stacktrace": {"frames": frames}, "crashed": False, "current": True}]}
    return Bug(number, owner, payload | _surroundings(owner, words, rng))


def crumb_templates(service_name: str, nouns: list[str], rng: Random) -> list[Json]:
    """Sixty breadcrumbs with holes that a service can leave."""
    return [_fill(_crumb(rng.choice(CRUMBS)), _entity_words(service_name, nouns, rng)) for _ in range(60)]


def _crumb(row: tuple[str, str, str, str | None, dict[str, Any] | None]) -> Json:
    category, kind, level, message, data = row
    crumb: Json = {"type": kind, "level": level, "category": category}
    if message is not None:
        crumb["message"] = message
    return crumb | {"data": data or {}, "timestamp": "«#moment»"}


def _fill(value: Any, words: dict[str, str]) -> Any:
    """Put the chosen words into every string of a nested value."""
    if isinstance(value, str):
        return value.format_map(words)
    if isinstance(value, dict):
        return {_fill(key, words): _fill(part, words) for key, part in value.items()}
    return value


def _entity_words(service_name: str, nouns: list[str], rng: Random) -> dict[str, str]:
    noun, other = rng.sample(nouns, 2)
    verb, prop, prop2 = rng.choice(VERBS), rng.choice(PROPERTIES), rng.choice(PROPERTIES)
    words = {
        "service": service_name,
        "noun": noun,
        "other": other,
        "verb": verb,
        "prop": prop,
        "prop2": prop2,
    }
    return words | {"Noun": noun.title(), "Other": other.title(), "Verb": verb.title()}


def _words(owner: Service, rng: Random) -> dict[str, str]:
    numbers = {"limit": str(rng.randint(2, 9000)), "port": str(rng.randint(1, 9))}
    return _entity_words(owner.name, owner.nouns, rng) | numbers


def _message(platform: str, words: dict[str, str], rng: Random) -> str:
    tail = "«tail»" if rng.random() < 0.1 else ""
    choices = PLATFORM_MESSAGES[platform] if rng.random() < 0.3 else MESSAGES
    return rng.choice(choices).format_map(words) + tail


def _version(rng: Random) -> str:
    return f"{rng.randint(0, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}"


# --- stacks ---------------------------------------------------------------------------------------


def _python_entry(name: str, rng: Random) -> list[Json]:
    libraries, _ = sources.python_functions()
    start = rng.randrange(len(libraries) - 40)
    chosen = sorted(rng.sample(range(start, start + 40), 4))
    return [python_frame(libraries[index], "", rng) for index in chosen]


def _node_entry(name: str, rng: Random) -> list[Json]:
    return [_node_library_frame(*row) for row in rng.choice(NODE_ENTRIES)]


def _java_entry(name: str, rng: Random) -> list[Json]:
    return [_java_frame(*row, rng.randint(40, 1400), in_app=False) for row in rng.choice(JAVA_ENTRIES)]


def _python_stack(owner: Service, words: dict[str, str], rng: Random) -> list[Json]:
    own = [python_frame(rng.choice(owner.functions), owner.name, rng) for _ in range(rng.randint(4, 5))]
    tail: list[Json] = []
    if rng.random() < 0.3:
        libraries, _ = sources.python_functions()
        tail = [python_frame(rng.choice(libraries), "", rng) for _ in range(rng.randint(1, 2))]
    return [dict(frame) for frame in rng.choice(owner.entries)] + own + tail


def _node_stack(owner: Service, words: dict[str, str], rng: Random) -> list[Json]:
    nouns = [rng.choice(owner.nouns) for _ in range(rng.randint(4, 5))] + [words["noun"]]
    own = [_node_frame(owner.name, noun, rng) for noun in nouns]
    return [dict(frame) for frame in rng.choice(owner.entries)] + own


def _java_stack(owner: Service, words: dict[str, str], rng: Random) -> list[Json]:
    own = []
    for layer in ("Controller", "Facade", "Service", "Mapper", "Repository")[: rng.randint(3, 5)]:
        noun = rng.choice([words["noun"], *owner.nouns[:8]]).title()
        for _ in range(rng.randint(1, 3)):
            method = f"{rng.choice(VERBS)}{rng.choice(owner.nouns).title()}"
            holder = f"com.acme.{owner.name}.{noun.lower()}.{noun}{layer}"
            own.append(_java_frame(holder, method, f"{noun}{layer}.java", rng.randint(20, 480), in_app=True))
    tail = [_java_frame(*row, rng.randint(40, 900), in_app=False) for row in rng.choice(JAVA_TAILS)]
    return [dict(frame) for frame in rng.choice(owner.entries)] + own + tail * (rng.random() < 0.5)


_ENTRIES = {"python": _python_entry, "node": _node_entry, "java": _java_entry}
_STACKS = {"python": _python_stack, "node": _node_stack, "java": _java_stack}


def python_frame(function: sources.Function, application: str, rng: Random) -> Json:
    """A frame at a random line of a function; an application's name makes it the application's own."""
    line = sources.crash_line(function, rng)
    root = f"/srv/{application}/current" if application else "/usr/local/lib/python3.12"
    filename = f"{application}/{function.path}" if application else function.path
    names = sources.local_names(function, line.number)[:6]
    return {
        "filename": filename,
        "abs_path": f"{root}/{filename}",
        "function": function.name,
        "module": f"{application}.{function.module}" if application else function.module,
        "lineno": line.number,
        "pre_context": line.pre,
        "context_line": line.text,
        "post_context": line.post,
        "vars": {name: _local_value(name, function, rng) for name in names},
        "in_app": bool(application),
    }


def _node_frame(service_name: str, noun: str, rng: Random) -> Json:
    script = sources.javascript_file(service_name, noun, rng.choice(("services", "routes")))
    name, first, last = rng.choice(script.functions)
    line = sources.line_at(script.lines, rng.randrange(first + 1, last))
    return {
        "filename": f"/app/{script.path}",
        "module": script.path.removesuffix(".js").replace("/", "."),
        "function": rng.choice((name, f"{noun.title()}Service.{name}", f"async {name}")),
        "lineno": line.number,
        "colno": rng.randint(3, 60),
        "in_app": True,
        "pre_context": line.pre,
        "context_line": line.text,
        "post_context": line.post,
    }


@functools.cache
def _node_library_frame(path: str, function: str, number: int) -> Json:
    frame: Json = {
        "filename": path if path.startswith("node:") else f"/app/{path}",
        "module": path.removeprefix("node_modules/").removesuffix(".js").replace("/", "."),
        "function": function,
        "lineno": number,
        "colno": 5 + number % 40,
        "in_app": False,
    }
    if not path.startswith("node:"):
        rng = Random(f"{path}/{number}")
        near = rng.sample(NOUNS, 4)
        lines = [sources.javascript_line(rng, near) for _ in range(11)]
        frame |= {"pre_context": lines[:5], "context_line": lines[5], "post_context": lines[6:]}
    return frame


def _java_frame(holder: str, method: str, file: str | None, number: int, *, in_app: bool) -> Json:
    frame: Json = {"function": method, "module": holder, "in_app": in_app}
    return frame | ({"filename": file, "lineno": number} if file else {})


# --- local variables ------------------------------------------------------------------------------

_NUMBER_NAMES = frozenset(
    "i j k n m x y count size index pos offset length limit start end total num port width".split()
)
_CONSTANT_VALUES = (
    "None",
    "True",
    "False",
    "''",
    "0",
    "1",
    "[]",
    "{}",
    "-1",
    "'utf-8'",
    "b''",
    "<object object>",
)


def _local_value(name: str, function: sources.Function, rng: Random) -> Any:
    """The repr the SDK would send of a local variable; most differ from event to event."""
    address = f"at 0x«a{rng.randrange(8)}»"
    if name == "self":
        return f"<{function.module}.{function.owner or 'Handler'} object {address}>"
    if name == "cls":
        return f"<class '{function.module}.{function.owner or 'Handler'}'>"
    if name in _NUMBER_NAMES:
        return f"«n{rng.randrange(4)}»"
    if rng.random() < 0.3:
        return rng.choice(_CONSTANT_VALUES)
    return rng.choice(_LOCAL_SHAPES)(rng, address)


def _text_local(rng: Random, address: str) -> Any:
    word = rng.choice(NOUNS)
    return rng.choice(
        (
            f"'{word}'",
            f"'«w{rng.randrange(4)}»'",
            f"'{word}-«id{rng.randrange(6)}»'",
            f"'«u{rng.randrange(3)}»'",
        )
    )


def _mapping_local(rng: Random, address: str) -> Any:
    keys = rng.sample(PROPERTIES, rng.randint(1, 4))
    return {f"'{key}'": _text_local(rng, address) for key in keys}


def _list_local(rng: Random, address: str) -> Any:
    return [_text_local(rng, address) for _ in range(rng.randint(1, 3))]


def _object_local(rng: Random, address: str) -> Any:
    noun = rng.choice(NOUNS)
    return f"<{noun}s.models.{noun.title()} object {address}>"


def _number_local(rng: Random, address: str) -> Any:
    return rng.choice(("«id0»", "«id3»", "«n2»", "«f0»", "Decimal('«f1»')"))


def _path_local(rng: Random, address: str) -> Any:
    return f"'/var/lib/{rng.choice(NOUNS)}/«u{rng.randrange(3)}»/{rng.choice(PROPERTIES)}.json'"


def _function_local(rng: Random, address: str) -> Any:
    return f"<function {rng.choice(VERBS)}_{rng.choice(NOUNS)} {address}>"


_LOCAL_SHAPES = (
    _text_local, _text_local, _text_local, _mapping_local, _list_local,
    _object_local, _object_local, _number_local, _path_local, _function_local,
)  # fmt: skip


# --- the rest of a payload ------------------------------------------------------------------------


def _exceptions(owner: Service, words: dict[str, str], message: str, frames: list[Json], rng: Random) -> list[Json]:
    kind = rng.choice(EXCEPTIONS[owner.platform]).format_map(words)
    raised = _exception(kind, message, frames, rng)
    if owner.platform == "node" or rng.random() >= 0.15:
        return [raised]
    cause = rng.choice(EXCEPTIONS[owner.platform]).format_map(words)
    return [_exception(cause, _message(owner.platform, words, rng), frames[-2:], rng), raised]


def _exception(kind: str, message: str, frames: list[Json], rng: Random) -> Json:
    module, _, name = kind.rpartition(".")
    mechanism = {"type": rng.choice(("flask", "generic", "logging", "celery")), "handled": rng.random() < 0.5}
    return {
        "mechanism": mechanism,
        "module": module or None,
        "type": name,
        "value": message,
        "stacktrace": {"frames": frames},
    }


def _surroundings(owner: Service, words: dict[str, str], rng: Random) -> Json:
    noun, verb = words["noun"], words["verb"]
    route = rng.choice((f"/{noun}s/«id0»", f"/{noun}s/«id0»/{verb}", f"/api/v2/{noun}s", f"/{verb}/{noun}"))
    platform = "javascript" if owner.platform == "node" else owner.platform
    return {
        "event_id": "«event_hex»",
        "timestamp": "«#moment»",
        "platform": owner.platform if owner.platform == "node" else platform,
        "server_name": "«host»",
        "release": "«release»",
        "environment": "«environment»",
        "transaction": f"{owner.name}.{noun}.{verb}_{noun}",
        "transaction_info": {"source": "component"},
        "user": "«#user»",
        "tags": _tags(owner, words, rng),
        "request": _request(owner, words, route, rng),
        "contexts": _contexts(owner),
        "breadcrumbs": {"values": "«#crumbs»"},
        "extra": {"sys.argv": [f"/srv/{owner.name}/current/bin/{rng.choice(('web', 'worker', 'cron'))}"]},
        "modules": owner.modules,
        "sdk": SDKS[owner.platform],
    }


def _tags(owner: Service, words: dict[str, str], rng: Random) -> Json:
    optional = {
        "region": "«region»",
        "customer.tier": "«tier»",
        "tenant": "«tenant»",
        f"{words['noun']}_id": "«id0»",
        "feature.flag": rng.choice(PROPERTIES),
        "queue": f"{owner.name}-{words['verb']}",
        "locale": "«locale»",
        "shard": "«shard»",
    }
    chosen = sorted(rng.sample(sorted(optional), rng.randint(3, 7)))
    return {"service": owner.name, "host": "«host»", "request_id": "«request_id»"} | {
        key: optional[key] for key in chosen
    }


def _request(owner: Service, words: dict[str, str], route: str, rng: Random) -> Json:
    method = rng.choice(("GET", "GET", "POST", "PUT", "DELETE"))
    request: Json = {
        "url": f"https://{owner.name}.acme.example{route}",
        "query_string": f"{words['prop']}=«w2»&page=«n3»" if method == "GET" else "",
        "method": method,
        "headers": {
            "Host": f"{owner.name}.acme.example",
            "User-Agent": "«agent»",
            "Accept": rng.choice(("application/json", "text/html,application/xhtml+xml", "*/*")),
            "Accept-Language": "«locale»,en;q=0.8",
            "Content-Length": "«n1»",
            "Cookie": "[Filtered]",
            "X-Forwarded-For": "«ip»",
            "X-Request-Id": "«request_id»",
            "Traceparent": "00-«trace»-«span»-01",
        },
        "env": {"SERVER_NAME": "«host»", "SERVER_PORT": "8000", "REMOTE_ADDR": "«ip»"},
    }
    if method in ("POST", "PUT"):
        names = rng.sample(PROPERTIES, 4)
        request["data"] = dict(zip(names, ("«w3»", "«#id1»", "«u1»", "«f1»"), strict=True))
    return request


_RUNTIMES = {
    "python": {
        "name": "CPython",
        "version": "3.12.7",
        "build": "3.12.7 (main, Oct  1 2024, 22:28:49) [GCC 12.2.0]",
    },
    "node": {"name": "node", "version": "v20.18.1"},
    "java": {"name": "Eclipse Adoptium", "version": "21.0.5+11-LTS"},
}


def _contexts(owner: Service) -> Json:
    contexts: Json = {
        "trace": {
            "trace_id": "«trace»",
            "span_id": "«span»",
            "parent_span_id": "«parent»",
            "op": "http.server",
            "origin": "auto.http",
        },
        "runtime": _RUNTIMES[owner.platform],
    }
    if owner.platform == "node":
        device = {
            "arch": "arm64",
            "memory_size": 8347475968,
            "free_memory": "«#memory»",
            "processor_count": 4,
        }
        system = {"name": "Linux", "kernel_version": "6.8.0-1015-aws"}
        app = {"app_start_time": "«started»", "app_memory": "«#memory»"}
        contexts |= {
            "device": device,
            "os": system,
            "app": app,
            "culture": {"locale": "en-US", "timezone": "UTC"},
        }
    if owner.platform == "java":
        contexts["os"] = {"name": "Linux", "version": "6.8.0-1015-aws", "kernel_version": "#16-Ubuntu SMP"}
    return contexts
