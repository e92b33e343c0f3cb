"""What Crashvault itself gives to the hooks for registering, named and not imported: most of it is never used in a run."""

from __future__ import annotations

from collections.abc import Mapping

from .types import Exporter, Named, ReportFormat

_EXCHANGE, _OUTPUT = "crashvault.exchange", "crashvault.output"
_MARKDOWN, _HTML = (".md", ".markdown"), (".html", ".htm")
_TEXT = ReportFormat(None, "for the terminal", (".txt",))
_JSON = ReportFormat(None, "for programs", (".json",))


def register_webhook_providers() -> Mapping[str, Named]:
    from ..webhooks.registry import BUILT_IN  # imports much that exports have no use for

    return BUILT_IN


def register_exporters() -> Mapping[str, Exporter]:
    return {
        "jsonl": Exporter(f"{_EXCHANGE}.jsonl:write", "loses nothing", (".jsonl", ".ndjson")),
        "json": Exporter(f"{_EXCHANGE}.json_document:write", "loses nothing", (".json",)),
        "csv": Exporter(f"{_EXCHANGE}.csv_table:write", "a table of events", (".csv",)),
        "md": Exporter(f"{_EXCHANGE}.markdown:write", "issues for people", _MARKDOWN),
        "html": Exporter(f"{_EXCHANGE}.html_page:write", "issues for people", _HTML),
    }


def register_report_formats(report: str) -> Mapping[str, ReportFormat]:
    return REPORTS.get(report, {})


# The first format of a report is its usual one.
REPORTS: dict[str, dict[str, ReportFormat]] = {
    "generate-report": {
        "markdown": ReportFormat(f"{_OUTPUT}.report:report_markdown", "for people", _MARKDOWN),
        "html": ReportFormat(f"{_OUTPUT}.report:report_html", "one page with charts", _HTML),
        "json": _JSON,
    },
    "batch-analyze": {
        "text": _TEXT,
        "json": _JSON,
        "markdown": ReportFormat(f"{_OUTPUT}.analysis_markdown:analysis_markdown", "for people", _MARKDOWN),
        "html": ReportFormat(f"{_OUTPUT}.analysis_html:analysis_html", "one page", _HTML),
    },
    "code-review": {
        "text": _TEXT,
        "json": _JSON,
        "markdown": ReportFormat(f"{_OUTPUT}.review_text:review_markdown", "for people", _MARKDOWN),
        "sarif": ReportFormat(f"{_OUTPUT}.review_sarif:review_sarif", "for editors and CI", (".sarif",)),
    },
    "changes": {
        "text": _TEXT,
        "markdown": ReportFormat(f"{_OUTPUT}.changes_document:write_summary", "to be read back", _MARKDOWN),
        "json": _JSON,
    },
}
