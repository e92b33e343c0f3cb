"""Completion on the command line: what the shells ask while somebody types, and the scripts that make them ask.

The shell hands over the line up to the cursor. Click finds out which parameter the cursor is at; what that
may be comes from the vault, opened read-only. Nobody who presses Tab wants to read an error, so there are none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from . import suggesting
from .commands.context import COMPLETE
from .suggesting import Pairs

if TYPE_CHECKING:
    from .storage.suggestions import Suggestions

SHELLS = ("bash", "zsh", "fish")
_HELP = 60  # characters
_BREAKS = ":="  # where bash begins a new word inside ours


# What the shells ask


def answer(root: click.Command, context: Any) -> int:
    """Print what the word before the cursor may become: lines of kind, value and help, with tabs between."""
    shell = os.environ.get(COMPLETE, "").partition("_")[0]
    try:
        line = os.environ.get("COMP_LINE", "")
        args, incomplete, quoted = split_line(line)
        found = ShellComplete(root, {"obj": context}, "crashvault", COMPLETE).get_completions(args[1:], incomplete)
        cut = bash_cut(incomplete) if shell == "bash" and not quoted else 0
        rows = [row(item, incomplete, cut) for item in found]
        click.echo("\n".join(rows).encode("utf-8", "replace"))
    except Exception:
        if context.debug:
            raise
    return 0


def split_line(line: str) -> tuple[list[str], str, bool]:
    """The words of a line up to the cursor, the one being typed, and whether that is inside quotes."""
    try:
        shlex.split(line)
        quoted = False
    except ValueError:  # a quote, or a backslash, that is open
        quoted = not line.endswith("\\")
    words = split_arg_string(line)
    if not quoted and (not line or line[-1].isspace()):
        return words, "", False
    return words[:-1], words[-1] if words else "", quoted


def bash_cut(incomplete: str) -> int:
    """How much of the word bash does not replace: up to the last of its word breaks."""
    breaks = os.environ.get("COMP_BREAKS", "\"'@><=;|&(:")
    return 1 + max(incomplete.rfind(sign) if sign in breaks else -1 for sign in _BREAKS)


def row(item: CompletionItem[str], incomplete: str, cut: int) -> str:
    """One answer as the shell scripts read it. `open`: no blank behind it."""
    value = str(item.value)
    option, equals, _ = incomplete.partition("=")
    if equals and option.startswith("-") and not value.startswith(option):
        value = f"{option}={value}"  # Click leaves the option away
    help_ = " ".join(str(item.help or "").split())
    printable = "".join(char if char.isprintable() else "?" for char in help_)
    kind = "open" if item.type == "plain" and value.endswith((":", "=")) else item.type
    return f"{kind}\t{value[cut:]}\t{printable[:_HELP]}"


def _alerts(known: Suggestions, typed: str) -> Pairs:
    return suggesting.plain(known.alerts(typed))


# What parameters may be


def equip(parameters: Sequence[click.Parameter]) -> None:
    """Let parameters be completed from the vault, by what their names mean."""
    for parameter in parameters:
        name = str(parameter.name).removeprefix("shared_")
        if name in _ANYWHERE:
            parameter.shell_complete = _everywhere(_ANYWHERE[name])  # type: ignore[method-assign,assignment]
        source = _SOURCES.get(name)
        if source and not isinstance(parameter.type, click.Choice) and not getattr(parameter, "is_flag", False):
            parameter.shell_complete = _completer(source)  # type: ignore[method-assign,assignment]


def _everywhere(
    source: Callable[[click.Context, str], Pairs],
) -> Callable[[click.Context, str], list[CompletionItem[str]]]:
    return lambda context, typed: [
        CompletionItem(value, help=help_ or None)
        for value, help_ in source(context, typed)
        if value.startswith(typed.casefold())
    ]


def _completer(
    source: Callable[[Suggestions, str], Pairs],
) -> Callable[[click.Context, str], list[CompletionItem[str]]]:
    def complete(context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        with _vault(context) as store:
            found = [(value, help_) for value, help_ in source(store.suggestions, incomplete) if value.isprintable()]
        return [
            CompletionItem(value, help=help_ or None) for value, help_ in found if " " not in value or " " in incomplete
        ]

    return complete


def _vault(context: click.Context) -> Any:
    from . import core
    from .commands.context import Context

    return core.open_vault(context.ensure_object(Context).home, create=False, read_only=True)


def _settings(context: click.Context, typed: str) -> Pairs:
    from .config import SETTINGS

    return ((key, setting.about) for key, setting in SETTINGS.items())


def _topics(context: click.Context, typed: str) -> Pairs:
    from .manual import topics

    return ((topic.name.casefold(), topic.title) for topic in topics())


def _plugins(context: click.Context, typed: str) -> Pairs:
    from . import core
    from .commands.context import Context

    return ((one.name, one.package) for one in core.known_plugins(context.ensure_object(Context).home))


def _webhook_types(context: click.Context, typed: str) -> Pairs:
    from .commands.choosing import count_plugins
    from .plugins.parts import webhook_types

    count_plugins(context)
    return suggesting.plain(webhook_types())


def _commands(context: click.Context, typed: str) -> Pairs:
    root = context.find_root()
    named = root.command.list_commands(root) if isinstance(root.command, click.Group) else []
    return suggesting.plain(["query", *named])


def _issues_and_people(known: Suggestions, typed: str) -> Pairs:
    return [*known.issues(typed.removeprefix("#")), *suggesting.plain(known.people(typed))]


def _issue_tags(known: Suggestions, typed: str) -> Pairs:
    return suggesting.plain(known.issue_tags(typed))


def _levels(known: Suggestions, typed: str) -> Pairs:
    return suggesting.plain(level for level in known.levels() if level.startswith(typed))


def _webhooks(known: Suggestions, typed: str) -> Pairs:
    return suggesting.plain(known.webhooks(typed))


# What parameters may be whatever the vault holds.
_ANYWHERE: dict[str, Callable[[click.Context, str], Pairs]] = {
    "setting": _settings,
    "plugin": _plugins,
    "webhook_type": _webhook_types,
    "topic": _topics,
    "topics": _commands,
}
_SOURCES: dict[str, Callable[[Suggestions, str], Pairs]] = {
    **dict.fromkeys(("issue", "issues", "target"), suggesting.issues),
    "words": _issues_and_people,
    "assign": suggesting.people,
    **dict.fromkeys(("event_id", "event", "event_or_issue"), suggesting.events),
    **dict.fromkeys(("tag", "tags", "ignored_tags"), suggesting.tags),
    "untags": _issue_tags,
    "level": _levels,
    **dict.fromkeys(("query", "asked"), suggesting.query),
    **dict.fromkeys(("project", "only_project", "known"), suggesting.projects),
    "merged": lambda known, typed: known.issues(typed.removeprefix("#"), merged=True),
    "api_key": lambda known, typed: known.keys(typed),
    **dict.fromkeys(("webhook", "notify"), _webhooks),
    "alert_name": _alerts,
    **{name: suggesting.values(name) for name in ("release", "environment", "user", "host", "source")},
}
# The scripts


def script(shell: str) -> str:
    """What a shell has to read to complete Crashvault's commands."""
    return _SCRIPTS[shell]


def script_path(shell: str) -> str:
    """Where a shell looks for a user's completion scripts."""
    home = os.path.expanduser("~")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return {
        "bash": os.path.join(data, "bash-completion", "completions", "crashvault"),
        "zsh": os.path.join(_zsh_directory(home), "_crashvault"),
        "fish": os.path.join(config, "fish", "completions", "crashvault.fish"),
    }[shell]


def _zsh_directory(home: str) -> str:
    """A directory of the user's on zsh's fpath, where that is known, else ~/.zfunc."""
    for directory in os.environ.get("FPATH", "").split(":"):
        if directory.startswith(home + os.sep) and os.access(directory, os.W_OK):
            return directory
    return os.path.join(home, ".zfunc")


def install(shell: str) -> tuple[str, bool, str]:
    """Put a shell's script into its place: the path, whether that changed anything, and what else is to be done."""
    from .core import write_text_atomic

    path = script_path(shell)
    try:
        with open(path, encoding="utf-8") as file:
            changed = file.read() != script(shell)
    except (OSError, ValueError):
        changed = True
    if changed:
        write_text_atomic(path, script(shell))
    return path, changed, _hint(shell, path)


def _hint(shell: str, path: str) -> str:
    directory = os.path.dirname(path)
    if shell == "zsh" and directory not in os.environ.get("FPATH", "").split(":"):
        return f"add to ~/.zshrc, before compinit: fpath=({shlex.quote(directory)} $fpath); autoload -Uz compinit && compinit"
    if shell == "bash":
        return 'needs the package bash-completion; without it add to ~/.bashrc: eval "$(crashvault completion bash)"'
    return ""


_SCRIPTS = {
    "bash": r"""# Completion of crashvault for bash.
_crashvault() {
    local kind value
    COMPREPLY=()
    while IFS=$'\t' read -r kind value _; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            open) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" _CRASHVAULT_COMPLETE=bash_complete \
        "$1" 2>/dev/null)
}
complete -o nosort -F _crashvault crashvault 2>/dev/null || complete -F _crashvault crashvault
""",
    "zsh": r"""#compdef crashvault
# Completion of crashvault for zsh.
_crashvault() {
    local kind value help
    local -a plain helped open
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain) if [[ -n $help ]]; then helped+=("${value//:/\\:}:$help"); else plain+=("$value"); fi ;;
            open) open+=("$value") ;;
            dir) _path_files -/ ;;
            file) _path_files ;;
        esac
    done < <(COMP_LINE="${(j: :)words[1,CURRENT]}" _CRASHVAULT_COMPLETE=zsh_complete "${words[1]}" 2>/dev/null)
    (( $#helped )) && _describe -V crashvault helped -U
    (( $#plain )) && compadd -U -V values -a plain
    (( $#open )) && compadd -U -S '' -V fields -a open
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _crashvault "$@"
else
    compdef _crashvault crashvault
fi
""",
    "fish": r"""# Completion of crashvault for fish.
function __crashvault_complete
    set -l line (commandline -cp | string collect)
    for row in (env COMP_LINE="$line" _CRASHVAULT_COMPLETE=fish_complete crashvault 2>/dev/null)
        set -l parts (string split \t -- $row)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                printf '%s\t%s\n' $parts[2] $parts[3]
        end
    end
end
complete --no-files --command crashvault --arguments '(__crashvault_complete)'
""",
}
