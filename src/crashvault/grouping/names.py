"""Names of functions, files and types without what a compiler, a bundler, a proxy or an installation adds.

One table for each language: patterns with their replacement, applied in order. `""` as a result means
"anonymous": the frame is a real place, but its name says nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from .patterns import compiled

Replacement = tuple[str, str]


class Language(NamedTuple):
    """How names read in one language."""

    name: str
    functions: tuple[Replacement, ...] = ()
    modules: tuple[Replacement, ...] = ()
    place: str = "module"  # what locates a function: "module" if known else file, "file", or "" (the name says all)
    anonymous: frozenset[str] = frozenset()  # names that stand for "no name"
    transparent: frozenset[str] = frozenset()  # frames that belong to the function around them
    short: bool = False  # the class before a method's name is not reliable: keep the last part only


_ANONYMOUS = frozenset({"", "?", "??", "<anonymous>", "<unknown>", "unknown", "anonymous", "(anonymous)"})

_JVM_PROXY = (
    r"\$\$(?:EnhancerBy|FastClassBy|SpringCGLIB|Lambda|KeyFactory|ExternalSyntheticLambda|_javassist)[\w$/@.]*+"
    r"|\$(?:ByteBuddy|HibernateProxy|MockitoMock|HibernateBasicProxy|auxiliary)\$[\w$]*+"
    r"|_\$\$_\w++|\$\$\d[\w$/]*+|\$\d++(?=\$|$)|/0x[0-9a-fA-F]++"
)

LANGUAGES: dict[str, Language] = {
    "python": Language(
        "python",
        functions=((r"^.*<locals>\.", ""),),
        place="module",
        anonymous=frozenset({"<lambda>"}),
        transparent=frozenset({"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}),
    ),
    "java": Language(
        "java",
        functions=(
            (
                r"^(?:static |lambda\$)?(?:lambda\$)?(\w++)\$(?:\d+|default|suspendImpl|lambda)(?:\$\d+)*$",
                r"\1",
            ),
            (r"^\$?anonfun\$(\w+?)\$\d+.*$", r"\1"),
            (r"^(\w++)-[\w-]{7}$|^(\w++)-impl$", r"\1\2"),
            (_JVM_PROXY, ""),
            (r"^invoke\d+$", "invoke"),
        ),
        modules=(
            (_JVM_PROXY, ""),
            (r"(Proxy|Accessor|Adaptor)\d+$", r"\1"),
            (r"^(?:app|java\.base|[\w.]+@[\w.]+)/+", ""),
        ),
        anonymous=frozenset({"null", "lambda$null"}),
        transparent=frozenset({"access"}),
    ),
    "javascript": Language(
        "javascript",
        functions=(
            (r"^.*\[as ([^\]]++)\].*$", r"\1"),
            (r"^(?:async|new|get|set|static|bound|await)\s++(?=\S)", ""),
            (r"/<.*$|\$\d+$| \(index \d+\)$", ""),
            (r"^.*<anonymous>$", ""),
        ),
        place="file",
        anonymous=frozenset({"anonymous function", "eval", "callback", "<computed>", "[native code]"}),
        short=True,
    ),
    "go": Language(
        "go",
        functions=(
            (r"^.*/(?=[^/]*$)", ""),
            (r"\[\.\.\.\]|\[[^\[\]]*+\]|·dwrap·\d+|-fm$|-range\d+$", ""),
            (r"(?:\.(?:func|gowrap|deferwrap)\d+(?:\.\d+)*)++", ""),
            (r"\(\*?(\w++)\)", r"\1"),
            (r"\([^()]*+\)$", ""),
            (r"^glob\.*$|^glob\.\.", ""),
        ),
    ),
    "rust": Language(
        "rust",
        functions=(
            (r"::h[0-9a-f]{16}$|\[[0-9a-f]{8,16}\]", ""),
            (r"(?:::)?\{\{?(?:closure|impl|async_fn|vtable)[^{}]*+\}\}?(?:::\d+)?", ""),
            (r"^<(?:dyn |&(?:mut )?)?([\w:]++)(?:<[^<>]*+>)?(?: as [^<>]*+(?:<[^<>]*+>)?)?>", r"\1"),
            (r"(?:::)?<[^<>]*+(?:<[^<>]*+>[^<>]*+)*+>", ""),
        ),
        place="",
    ),
    "csharp": Language(
        "csharp",
        functions=(
            (r"\(.*\)$", ""),
            (r"^.*<(\w++)>[bgd]__?\w*+(?:\|[\w]*+)?(?:\.MoveNext)?$", r"\1"),
            (r"`\d+|\[[^\[\]]*+\]", ""),
            (r"^lambda_method\d*$", ""),
        ),
        modules=((r"\+<(\w++)>d__\d+.*$|\+<>c.*$", ""), (r"`\d+|\[.*\]$", ""), (r"\+", ".")),
        anonymous=frozenset({"MoveNext"}),
    ),
    "php": Language(
        "php",
        functions=(
            (r"\{closure(?::([^:{}]++(?:::[^:{}(]++)?)\(?\)?[^{}]*+)?\}", r"\1"),
            (r"class@anonymous.*?(?=::|->|$)", "class@anonymous"),
            (r"->", "::"),
            (r"\(.*\)$|::$", ""),
        ),
        place="file",
    ),
    "ruby": Language(
        "ruby",
        functions=(
            (r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )++", ""),
            (r"^.*[#.](?=[\w?!=]++$)", ""),
        ),
        place="file",
    ),
    "elixir": Language(
        "elixir",
        functions=(
            (r"^anonymous fn/\d+ in ", ""),
            (r"^-(?:fun\.)?(.+?)/\d+-(?:fun|anonymous|lc\$\^\d+/\d+|inlined)-\d+-.*$", r"\1"),
            (r"^(?:[\w.]++\.)(?=[\w?!]++(?:/\d+)?$)", ""),
            (r"/\d+$", ""),
        ),
        anonymous=frozenset({"-fun"}),
    ),
    "native": Language("native", place=""),
    "other": Language("other", functions=((r"\(.*\)$", ""),), place="module"),
}
_ALIASES = {
    "javascript": ("node", "typescript"),
    "java": ("kotlin", "scala", "android"),
    "csharp": ("dotnet",),
    "native": ("c", "cpp", "objc", "cocoa", "swift"),
    "elixir": ("erlang",),
}
for _name, _others in _ALIASES.items():
    LANGUAGES.update(dict.fromkeys(_others, LANGUAGES[_name]))


def _sub(pattern: str, replacement: str, text: str) -> str:
    return compiled(pattern).sub(replacement, text, count=8)


def language(platform: str | None) -> Language:
    """The table of a platform; an unknown one has few rules."""
    return LANGUAGES.get(platform or "other") or LANGUAGES["other"]


def function_name(function: str | None, platform: str | None, *, minified: bool = False) -> str:
    """A function's name as people wrote it, or "" when it has none."""
    name = (function or "").strip()[:1000]
    spoken = language(platform)
    if spoken is LANGUAGES["native"]:
        return native_function(name)
    for pattern, replacement in spoken.functions:
        name = _sub(pattern, replacement, name)
    if spoken.short and not name.startswith("<"):
        name = name.rpartition(".")[2]
    if name in _ANONYMOUS or name in spoken.anonymous or (minified and len(name) <= 2):
        return ""
    return name.strip(" :.")


def is_transparent(function: str | None, platform: str | None) -> bool:
    """Whether a frame is a part of the function that called it: a comprehension, a synthetic accessor."""
    name = (function or "").rpartition(".")[2]
    return name in language(platform).transparent or name.startswith("access$")


def native_function(name: str) -> str:
    """A C or C++ function without arguments, templates, clones and offsets: `ns::Foo<int>::bar(int) const` →
    `ns::Foo::bar`."""
    name = _sub(r"\[clone [^\]]*+\]|\[abi:[^\]]*+\]|@{1,2}[\w.]++$|\s*\+\s*(?:0x)?[0-9a-fA-F]++$", "", name)
    name = _sub(r"(?:\.(?:isra|part|constprop|cold|lto_priv|llvm|localalias|clone)(?:\.\d+)*+)++$", "", name)
    name = _sub(
        r"\(anonymous namespace\)::|`anonymous namespace'::|\{anonymous\}::|^(?:non-)?virtual thunk to ",
        "",
        name,
    )
    if name[:2] in ("-[", "+["):
        return name
    operator = compiled(_OPERATOR).search(name)
    head = _without_brackets(name[: operator.start()] if operator else name)
    plain = head.rpartition(" ")[2] if operator else (head.split() or [""])[-1].rstrip(":")
    plain = "" if plain in _ANONYMOUS or plain.startswith("0x") else plain.strip("*&")
    return f"{plain}{operator[0].replace(' ', '')}" if operator else plain


_OPERATOR = r"(?<![\w~])operator(?:\s*(?:\(\)|\[\]|<=>|<<?=?|[^\w\s(<\[]++)|\s(?:new|delete)(?:\[\])?|\s[\w:]++)"


def _without_brackets(name: str) -> str:
    """Drop `<…>` with everything inside, and everything from the argument list on (`{lambda(int)#1}` is a
    name part)."""
    out = []
    depth = 0
    for piece in compiled(r"([<>()])").split(name):
        if piece == "<":
            depth += 1
        elif piece == ">":
            depth = max(0, depth - 1)
        elif piece == "(" and depth == 0:
            break
        elif depth == 0 and piece != ")":
            out.append(piece)
    return "".join(out).partition("{lambda")[0]


# Where a project or a library begins inside of an absolute path; what stands before differs between machines.
_LIBRARY = (
    r"^.*/(?:site-packages|dist-packages|node_modules|bower_components|pkg/mod|\.cargo/registry/src/[^/]++"
    r"|rustc/[0-9a-f]{8,}+|gems/[^/]++/gems|vendor/bundle/[^/]++/[^/]++/gems|bundle/gems|python3?\.\d++)/"
)
_SOURCES = r"^(?:/usr/src/app/|.*?/src/(?:(?:main|test)/(?:java|kotlin|scala)/)?)"
_HOME = (
    r"^(?:/(?:home|Users|users)/[^/]++/|/(?:builds|github|tmp|private/tmp)/[^/]++/|/home/runner/work/[^/]++/|/(?:usr/src/app|var/www/html|var/www|var/task"
    r"|usr/local/lib|usr/local|usr/lib|usr|srv|opt|app|code|workspace|data|root|mnt/[^/]++)/|/)"
)
_ADDRESS = r"^(?:webpack(?:-internal)?:/{2,3}(?:\([^()/]*+\)/|[\w.@-]++/(?=\./|src/))?|[a-z][a-z+.-]*+://[^/]*+/|app:/*|file:/+|node:|[A-Za-z]:(?=/))"
_NOISE = (
    r"@v?\d[\w.+-]*+|[-.~]v?\d++(?:\.\d++)++(?:[-.]?(?:rc|beta|alpha|dev|SNAPSHOT|RELEASE|Final)[\w.]*+)?"
    r"|[-._~](?=[a-z]*\d)(?=\d*[a-z])[0-9a-fA-F]{6,40}(?=[-._/]|$)|(?<=/)(?:[0-9a-f]{7,40}|\d{4,}|tmp\w{8})(?=/)"
)
_HASHED = r"[-._~](?=[a-z]*\d)[0-9a-f]{6,40}\.|\.min\.|(?:^|/)(?:bundle|chunk|vendors?)[-.~]"
_EXTENSION = r"(?:\.(?:chunk|bundle|min|prod|development|esm|cjs|umd))*\.[A-Za-z]\w{0,5}$"


def file_name(file: str | None) -> str:
    """A file's place inside of its project, without host, installation prefix, versions, hashes, extension.

    `/home/ann/shop/orders/api.py`, `C:\\shop\\orders\\api.py` and `orders/api.py` all become `orders/api`.
    """
    path = (file or "").strip()[:1000].replace("\\", "/").partition("?")[0].partition("#")[0]
    if path.startswith("node:"):
        return path
    address = compiled(_ADDRESS).match(path)
    if address:
        rooted = address[0].endswith("//") or address[0].startswith("app:")
        path = path[address.end() :] if rooted else f"/{path[address.end() :].lstrip('/')}"
    return _without_noise(_inside_project(path))


def _inside_project(path: str) -> str:
    absolute = path.startswith("/")
    rooted = path if absolute else f"/{path.removeprefix('./')}"
    start = compiled(_LIBRARY).match(rooted) or compiled(_SOURCES).match(rooted)
    if start:
        return rooted[start.end() :]
    return "/".join(compiled(_HOME).sub("", path).split("/")[-2:]) if absolute else rooted[1:]


def _without_noise(path: str) -> str:
    path = compiled(_NOISE).sub("", f"/{path}").replace("//", "/").strip("/")
    return compiled(_EXTENSION).sub("", path) or path


def is_minified(file: str | None, platform: str | None = "javascript") -> bool:
    """Whether a script's file name looks like a bundler's output, whose function names mean nothing."""
    return bool(file) and language(platform).name == "javascript" and compiled(_HASHED).search(file or "") is not None


def module_name(module: str, platform: str | None) -> str:
    for pattern, replacement in language(platform).modules:
        module = _sub(pattern, replacement, module)
    return module


def place(module: str | None, file: str | None, platform: str | None) -> str:
    """Where a function is defined: its module if that is known and stable, else its file inside of the
    project."""
    spoken = language(platform)
    if not spoken.place:
        return ""
    if module and spoken.place == "module" and module != "__main__":
        return module_name(module.strip()[:500], platform)
    where = file_name(file) if file else ""
    if platform == "python":
        return where.removesuffix("/__init__").replace("/", ".")
    return where or (module or "")


_GENERIC_SUFFIX = r"<.*$|`\d+.*$|\[.*$"


def type_name(type_: str | None) -> str:
    """An exception's type without module, package, pointer and type parameters: `java.io.IOException` →
    `IOException`."""
    name = (type_ or "").strip()[:300].lstrip("*&")
    if not name or " " in name:
        return name
    name = compiled(_GENERIC_SUFFIX).sub("", name) or name
    for separator in (".", "::", "\\", "/", "$", "+"):
        name = name.rstrip(separator).rpartition(separator)[2]
    return name
