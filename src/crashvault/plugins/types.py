"""What plugins give: exporters, report formats, addresses, panels; and what they may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

# What is to be imported when somebody wants it: `package.module:name`.
Named: TypeAlias = str


class Exporter(NamedTuple):
    """A format of `crashvault export`.

    `write(source, out, progress)` writes to `out`, which has `write(bytes)`: `source.shapes()` gives the events of the
    export in their documented shape, `source.issue_shapes()` their issues; `progress(n)` is told how many more are done.
    """

    write: Callable[[Any, Any, Callable[[int], object]], object] | Named
    about: str = ""
    endings: Sequence[str] = ()  # of file names, with their dot, that ask for it


class ReportFormat(NamedTuple):
    """A format of a report. `render(report)` gets its documented JSON, and gives the file's text or bytes.

    None: the command itself knows how.
    """

    render: Callable[[Any], Any] | Named | None
    about: str = ""
    endings: Sequence[str] = ()


class Request(NamedTuple):
    """What an address of a plugin is asked."""

    method: str
    path: Mapping[str, str]  # what stands in the places of the path
    query: Mapping[str, str]
    body: bytes  # at most 1 MiB
    user: str  # the name of the key or the person
    project: str | None  # the only project that the key may see, where it is one of a project
    store: Any  # the open vault: crashvault.storage.store.Store
    now: int  # microseconds


class Reply(NamedTuple):
    """An answer with its status; `content` that is neither text nor bytes is sent as JSON."""

    content: Any
    status: int = 200
    content_type: str = ""


class Route(NamedTuple):
    """An address below `/api/v1/plugins/NAME`. It needs a key like the rest of the API, unless `scope` is empty.

    `run(request)` gets a Request, in a thread, and gives a Reply or what is sent as JSON.
    """

    path: str  # such as /tickets/{issue}
    run: Callable[[Request], Any]
    methods: Sequence[str] = ("GET",)
    scope: str = "read"  # read, write or admin; nothing: for everybody
    about: str = ""


class Panel(NamedTuple):
    """A panel on the dashboard's page of plugins.

    `content(store, now)` gives text, a list of texts, or a mapping with any of `text`, `columns`, `rows` (lists of
    cells) and `bars` (label → number). All of it is shown as text, never as HTML. A cell may be `{"text", "link"}`.
    """

    title: str
    content: Callable[[Any, int], Any]
