"""Which frames of a stack say where the bug is.

The crash's own frame is often not it: it may be inside of an assertion, a decorator, a logging call, the
runtime or a library. What to pass over is data (the tables below), and frames are judged once: their judgement
is remembered by module, file and function, since the same frames come again and again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..models import Frame
from . import names
from .bounded import Memo

MAX_FRAMES = 250  # looked at, counted from the crash
STATE_FRAMES = 3  # frames in the crash state of a native trace, as ClusterFuzz counts

# Functions that fail on behalf of their caller. By the last part of the name, lower case.
HELPERS = frozenset(
    """wrapper wrapped inner decorated decorator _wrapper _inner _wrapped inner_wrapper wrapped_f wrap_function
    __call__ raise_from reraise re_raise raise_ rethrow throw throwerror raise_error raiseerror panic panic_fmt panic_str
    unwrap expect unwrap_failed expect_failed abort fail failed bail todo unimplemented unreachable die croak
    invariant assert assertion __assert_fail __assert_rtn __assert2 __assert_perror_fail _assert assertfailed
    log _log debug info warn warning error exception critical fatal fatalf panicf panicln logf errorf printstacktrace
    capture_exception captureexception capture_message handle_error handleerror on_error onerror must notnull
    requirenonnull tryto attempt withretry retry retrying""".split()
)
# Functions that check for their caller: a deliberate error from them is the caller's. One that the interpreter itself
# raises (below) is their own bug.
GUARD = re.compile(r"_*(?i:assert|check|require|ensure|verify|must|expect|throw_?if)(?=$|_|[A-Z0-9])")
NATURAL_ERRORS = frozenset(
    """TypeError AttributeError KeyError NameError UnboundLocalError IndexError ZeroDivisionError ImportError
    ModuleNotFoundError RecursionError MemoryError UnicodeDecodeError ReferenceError SyntaxError NoMethodError
    ClassCastException ArrayIndexOutOfBoundsException StackOverflowError OutOfMemoryError NoClassDefFoundError
    ClassNotFoundException ConcurrentModificationException ArithmeticException NegativeArraySizeException
    NullReferenceException InvalidCastException boundsError TypeAssertionError""".split()
)
GUARD_CLASSES = frozenset(
    "Preconditions Objects Assert Assertions Validate Verify Check Asserts Guard Debug Contract Throw Require".split()
)

# Runtime and frameworks, by prefix of the module (or of the file's place) with the separator that must follow.
RUNTIME: dict[str, tuple[str, ...]] = {
    "python": (
        "asyncio", "concurrent", "threading", "multiprocessing", "runpy", "importlib", "contextlib", "functools", "unittest",
        "_pytest", "pluggy", "<frozen importlib", "<frozen runpy", "<string>", "site", "code", "logging", "warnings", "abc",
    ),
    "java": (
        "java", "javax", "jdk", "sun", "com.sun", "kotlin", "kotlinx", "scala", "groovy", "clojure", "dalvik", "android",
        "androidx", "com.android", "org.junit", "junit", "org.testng", "jakarta",
    ),
    "javascript": ("internal", "node:", "node", "events", "timers", "module", "vm", "<anonymous>", "native", "webpack/bootstrap"),
    "go": ("runtime", "testing", "reflect", "sync", "net/http", "log"),
    "rust": ("std", "core", "alloc", "rust_begin_unwind", "__rust", "_start", "main", "test", "backtrace", "tokio::runtime"),
    "csharp": ("System", "Microsoft", "Windows", "Xunit", "NUnit"),
    "php": ("[internal function]", "phpunit", "PHPUnit"),
    "ruby": ("<internal:", "kernel", "monitor", "timeout", "thread"),
    "elixir": ("gen_server", "proc_lib", "erl_eval", "erl_internal", "supervisor", "Task.Supervised", "GenServer", "elixir", "erlang"),
}  # fmt: skip
FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "python": (
        "django", "flask", "starlette", "fastapi", "werkzeug", "uvicorn", "gunicorn", "celery", "kombu", "aiohttp", "tornado",
        "twisted", "sentry_sdk", "click", "typer", "tenacity", "retrying", "backoff", "wrapt", "decorator", "anyio", "gevent",
        "eventlet", "rq", "crashvault", "opentelemetry", "ddtrace", "newrelic",
    ),
    "java": (
        "org.springframework", "org.apache.catalina", "org.apache.tomcat", "org.apache.coyote", "org.eclipse.jetty", "io.netty",
        "io.undertow", "reactor", "io.reactivex", "com.google.common.base.Preconditions", "org.hibernate", "net.sf.cglib",
        "javassist", "net.bytebuddy", "org.aopalliance", "org.mockito", "io.micronaut", "io.quarkus", "org.jboss",
        "org.apache.commons.lang3.Validate", "org.slf4j", "ch.qos.logback", "org.apache.logging", "org.gradle", "org.apache.maven",
    ),
    "javascript": (
        "express", "koa", "next", "react", "react-dom", "vue", "zone", "zone.js", "core-js", "regenerator-runtime", "webpack",
        "@angular", "@sentry", "jest", "mocha", "bluebird", "promise", "fastify", "@nestjs",
    ),
    "go": ("github.com/gin-gonic/gin", "github.com/labstack/echo", "github.com/pkg/errors", "github.com/stretchr/testify"),
    "rust": ("tokio", "anyhow", "eyre", "futures", "rayon", "actix", "hyper", "tower"),
    "csharp": ("Serilog", "NLog", "Polly", "MediatR"),
    "php": ("vendor/symfony", "vendor/laravel", "symfony", "laravel", "Illuminate", "Symfony", "monolog"),
    "ruby": ("rack", "rails", "railties", "actionpack", "activesupport", "activerecord", "puma", "sidekiq", "rspec-core", "bundler"),
    "elixir": ("Plug", "Phoenix", "Ecto", "ExUnit", "Cowboy", "cowboy_", "Bandit"),
}  # fmt: skip

# Native frames that every crash of a kind has on top: sanitizers, abort, allocation, string copies, unwinding.
NATIVE_IGNORED = re.compile(
    r"^(?:_*(?:asan|msan|tsan|ubsan|lsan|hwasan|sanitizer|interceptor|interception|libc|pthread|gi|assert|stack_chk|fortify|cxa|gnu_cxx|kernel|dl|rust|real)_"
    r"|__(?:GI_|sanitizer|asan|msan|ubsan|lsan|tsan|hwasan|interceptor)|_+(?:libc_message|malloc_assert|terminate|assert|start)"
    r"|(?:std|__gnu_cxx|__cxxabiv1|core|alloc|boost::(?:throw_exception|assertion))::|(?:fuzzer|__sanitizer|__asan|__ubsan|__lsan|__tsan)::"
    r"|(?:abort|raise|kill|gsignal|pthread_kill|tgkill|exit|_exit|_Exit|terminate|start_thread|clone3?|main|_start|LLVMFuzzerTestOneInput"
    r"|malloc|calloc|realloc|free|cfree|strdup|operator (?:new|delete).*|operator(?:new|delete).*"
    r"|mem(?:cpy|move|set|cmp|chr|mem)|(?:str|wcs)n?(?:cpy|cat|len|cmp|dup|chr|str|casecmp|tol|tok)\w*|v?s?n?f?printf\w*"
    r"|(?:SIGABRT|SIGSEGV) handler|KiUserExceptionDispatcher|RtlUserThreadStart|BaseThreadInitThunk|invoke_main|objc_exception_throw"
    r"|<signal handler called>|CrashAtUnmappedAddress|CrashHandler|Crash)$)",
)


class Judgement(NamedTuple):
    """What one frame is worth, apart from the stack that it stands in."""

    place: str  # module or file; "" where the function's name says all
    function: str  # "" when it is anonymous
    app: bool  # the user's own code
    runtime: bool  # of the language or a framework
    helper: bool  # fails on behalf of its caller
    guard: bool  # checks on behalf of its caller
    transparent: bool  # a part of the function that called it
    plain: bool  # own code with a name and none of the above: nothing else needs a look
    text: str  # place and function, for keys and comparisons


_memo: Memo[tuple[object, ...], Judgement] = Memo(4096)


def judge(frame: Frame, platform: str | None) -> Judgement:
    """Classify one frame; remembered by what identifies it, so that lines and variables play no part."""
    function, module, file = frame.get("function"), frame.get("module"), frame.get("file")
    key = (function, module, file, frame.get("in_app"), platform)
    found = _memo.get(key)
    if found is None:
        found = _judge(function, module, file, frame.get("in_app"), platform)
        _memo.put(key, found)
    return found


def _judge(
    function: str | None, module: str | None, file: str | None, in_app: bool | None, platform: str | None
) -> Judgement:
    name = names.function_name(function, platform, minified=names.is_minified(file))
    where = names.place(module, file, platform)
    if platform == "csharp" and not name and module:
        name = _state_machine(module)
    bare = re.split(r"[.:>/#]", name)[-1]
    owner = re.split(r"[.$:]", where)[-1]
    runtime = _is_runtime(where, name, file, platform)
    app = in_app is not False and not runtime
    helper = bare.lower() in HELPERS
    guard = GUARD.match(bare) is not None or owner in GUARD_CLASSES
    transparent = names.is_transparent(function, platform)
    plain = app and bool(name) and not (helper or guard or transparent)
    return Judgement(where, name, app, runtime, helper, guard, transparent, plain, f"{where} {name}".strip())


def _state_machine(module: str) -> str:
    """The method that an async state machine was compiled from: `Shop.Cart+<AddAsync>d__5` → `AddAsync`."""
    match = re.search(r"<(\w+)>d__", module)
    return match[1] if match else ""


def _is_runtime(where: str, name: str, file: str | None, platform: str | None) -> bool:
    if names.language(platform) is names.LANGUAGES["native"]:
        return NATIVE_IGNORED.match(name) is not None
    known = RUNTIME.get(platform or "", ()) + FRAMEWORKS.get(platform or "", ())
    subject = where or name
    raw = file or ""
    return any(
        subject.startswith(prefix)
        and subject[len(prefix) : len(prefix) + 1] in _BOUNDARY
        or raw.startswith(prefix + ":")
        for prefix in known
    )


_BOUNDARY = ("", ".", "/", ":", "$", "#", " ", "<", ">")


def significant_frames(
    frames: Sequence[Frame], platform: str | None, error: str | None = None, limit: int | None = None
) -> list[Frame]:
    """The frames that locate the bug, the one nearest the crash first.

    `frames` run from the oldest call to the crash. `error` is the short type of the exception: whether a
    function named `check…` is passed over depends on it. Frames of the user's own code if there are any, else those that
    are not of the runtime, else all. Native stacks give the crash state: three frames, others `limit` (default one,
    and the next named one if the first has no name).
    """
    native = names.language(platform) is names.LANGUAGES["native"]
    wanted = limit or (STATE_FRAMES if native else 1)
    chosen: list[Frame] = []
    for _, frame, _ in _walk(frames, platform, error, skip_helpers=not native):
        chosen.append(frame)
        if len(chosen) >= wanted:
            break
    return chosen


class Candidate(NamedTuple):
    distance: int  # frames between it and the crash
    frame: Frame
    judgement: Judgement


def _walk(
    frames: Sequence[Frame], platform: str | None, error: str | None, skip_helpers: bool = True
) -> Iterator[Candidate]:
    """Candidates from the crash outwards, without leading helpers, each recursion once."""
    candidates = _candidates(frames, platform)
    if skip_helpers:
        candidates = _past_helpers(candidates, error not in NATURAL_ERRORS)
    last: Judgement | None = None
    for candidate in candidates:
        judgement = candidate.judgement
        if judgement != last and (judgement.function or judgement.place):
            yield candidate
        last = judgement


# From the best class of frames to the last resort; a stack is judged by the best class that it has.
_CLASSES: tuple[Callable[[Frame, Judgement], object], ...] = (
    lambda frame, judgement: judgement.app and not judgement.transparent,
    lambda frame, judgement: frame.get("in_app") and not judgement.transparent,
    lambda frame, judgement: not judgement.runtime and not judgement.transparent,
    lambda frame, judgement: not judgement.transparent,
    lambda frame, judgement: True,
)


def _candidates(frames: Sequence[Frame], platform: str | None) -> Iterator[Candidate]:
    recent = frames[-MAX_FRAMES:]
    for accepts in _CLASSES:
        found = False
        for distance, frame in enumerate(reversed(recent)):
            judgement = judge(frame, platform)
            if accepts(frame, judgement):
                found = True
                yield Candidate(distance, frame, judgement)
        if found:
            return


def _past_helpers(candidates: Iterator[Candidate], guards: bool) -> Iterator[Candidate]:
    """Without the leading ones that only failed on behalf of their caller.

    A helper is passed over in favour of what called it directly (perhaps through one foreign frame, such as
    a functools call); if a framework called it, it is itself the place. Without any other frame the innermost stays.
    """
    first = held = None
    for candidate in candidates:
        if held is not None and candidate.distance > held.distance + 2:
            yield from (held, candidate)
            break
        judgement = candidate.judgement
        if not (judgement.helper or (guards and judgement.guard)):
            yield candidate
            break
        held = candidate
        first = first or candidate
    else:
        if first is not None:
            yield first
    yield from candidates


def frame_key(frame: Frame, platform: str | None) -> str:
    """One frame as text for keys and comparisons: place and function, never the line."""
    return judge(frame, platform).text


# The stack ran out: which function of the cycle noticed is chance.
RECURSION_ERRORS = frozenset(
    "RecursionError StackOverflowError StackOverflowException SystemStackError".split()
)
_CYCLE_SHARE = (
    3  # functions that repeat at least a third as often as the most frequent one belong to the cycle
)


def _cycle(frames: Sequence[Frame], platform: str | None) -> tuple[list[str], Frame | None]:
    """The functions of an endless recursion, sorted; a frame may stand for many that were collapsed."""
    times: dict[str, int] = {}
    first: dict[str, Frame] = {}
    for _, frame, judgement in _candidates(frames, platform):
        times[judgement.text] = times.get(judgement.text, 0) + max(1, frame.get("count") or 1)
        first.setdefault(judgement.text, frame)
    most = max(times.values(), default=0)
    if most < _CYCLE_SHARE:
        return [], None
    members = sorted(text for text, count in times.items() if count * _CYCLE_SHARE >= most)[:STATE_FRAMES]
    return members, first[members[0]]


def locate(
    frames: Sequence[Frame], platform: str | None, error: str | None = None
) -> tuple[tuple[list[str], Frame | None], bool]:
    """((texts for the key, the frame nearest the crash), whether that is the user's own code).

    The texts are those of `significant_frames`; for a function without a name the next named frame is added.
    """
    native = names.language(platform) is names.LANGUAGES["native"]
    if error in RECURSION_ERRORS:
        members, frame = _cycle(frames, platform)
        if members:
            return (members, frame), True
    if not native:
        crash = judge(frames[-1], platform)
        if crash.plain:  # The common case needs no walk.
            return ([crash.text], frames[-1]), True
    wanted = STATE_FRAMES if native else 1
    texts: list[str] = []
    first: Frame | None = None
    own = named = False
    for _, frame, judgement in _walk(frames, platform, error, skip_helpers=not native):
        if len(texts) >= wanted and (native or named):
            break
        if first is None:
            first, own, named = frame, judgement.app, bool(judgement.function)
        elif len(texts) >= wanted and not judgement.function:
            continue
        texts.append(judgement.text)
        if len(texts) >= wanted and (native or named or len(texts) > wanted):
            break
    return (texts, first), own
