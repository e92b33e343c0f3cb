"""Retention policies and what applying them did, as JSON and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import to_iso
from ..console import Column, console, escape
from .shapes import listing
from .times import ago


def status_shape(policies: Any, last: Any, sizes: Any, runs: Any) -> dict[str, Any]:
    """The policies of a vault, what there is to keep, and what the last run did."""
    found = listing([policy.as_dict() for policy in policies], len(policies), None)
    last_run = last and {"at": to_iso(last.at), "evicted": last.evicted, "freed_bytes": last.freed}
    return found | {
        "stored_events": sizes.stored,
        "bytes": sizes.total,
        "spans": sizes.spans,
        "last_run": last_run,
        "runs": [run_shape(run) for run in runs],
    }


def run_shape(run: Any) -> dict[str, Any]:
    """A run that is over."""
    return {
        "at": to_iso(run.at), "ended_at": to_iso(run.ended_at), "evicted": run.evicted, "freed_bytes": run.freed,
        "stopped": run.stopped, "policies": run.policies,
    }  # fmt: skip


def report_shape(report: Any, *, dry_run: bool) -> dict[str, Any]:
    """What a run did, or would do."""
    return {
        "dry_run": dry_run,
        "evicted": report.evicted,
        "bytes": report.bytes,
        "freed_bytes": report.freed,
        "stopped": report.stopped,
        "policies": [
            {**one.policy.as_dict(), "why": one.why, "evicted": one.evicted, "kept": one.kept, "bytes": one.bytes,
             "reported": dict(one.reported), "error": one.error or None}
            for one in report.outcomes
        ],
        "issues": [
            {"id": one.issue, "title": one.title, "evicted": one.evicted, "stored": one.stored} for one in report.issues
        ],
    }  # fmt: skip


def print_status(status: Mapping[str, Any]) -> None:
    if status["items"]:
        rows = [[escape(one["kind"]), escape(one["value"]), escape(_scope(one))] for one in status["items"]]
        console.table((Column("policy"), Column("keeps", justify="right"), Column("limited to", style="muted")), rows)
    else:
        console.print(
            "[muted]No policies: everything is kept. Set one with: crashvault retention set max-age 90d[/muted]"
        )
    console.print(f"[muted]The vault has {status['stored_events']:,} events, {_size(status['bytes'])}.[/muted]")
    if last := status["last_run"]:
        console.print(
            f"[muted]Last run {ago(last['at'])}: {last['evicted']:,} events evicted, {_size(last['freed_bytes'])} freed.[/muted]"
        )


def print_report(report: Mapping[str, Any]) -> None:
    if not report["policies"]:
        console.print("[muted]No policies; nothing to do. Set one with: crashvault retention set max-age 90d[/muted]")
        return
    would = report["dry_run"]
    columns = (Column("policy"), Column("would go" if would else "went", justify="right"), Column("about", justify="right"),
               Column("kept", justify="right"), Column("why", style="muted"))  # fmt: skip
    console.table(columns, [
        [escape(f"{one['kind']} {one['value']} {_scope(one)}".rstrip()), f"{one['evicted']:,}", _size(one["bytes"]),
         f"{one['kept']:,}", escape(one["error"] or one["why"]) + listed(one["reported"])]
        for one in report["policies"]
    ])  # fmt: skip
    if report["issues"]:
        _print_issues(report["issues"], "Issues that lose most" if would else "Issues that lost most")
    if would:
        console.print(
            f"\n[info]Would evict[/info] {report['evicted']:,} events, about {_size(report['bytes'])}; counts and charts stay"
        )
        return
    done = "[warning]Stopped after evicting[/warning]" if report["stopped"] else "[success]Evicted[/success]"
    console.print(f"\n{done} {report['evicted']:,} events; freed {_size(report['freed_bytes'])}")


def listed(reported: Mapping[str, int]) -> str:
    """`; 3 spans, 1 feedback`: what goes besides events."""
    names = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in sorted(reported.items()))
    return f"; also {names}" if names else ""


def _print_issues(issues: Sequence[Mapping[str, Any]], title: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    columns = (
        Column("id", justify="right"),
        Column("title"),
        Column("events", justify="right"),
        Column("of", justify="right"),
    )
    rows = [[str(one["id"]), escape(one["title"]), f"{one['evicted']:,}", f"{one['stored']:,}"] for one in issues]
    console.table(columns, rows)


def _scope(one: Mapping[str, Any]) -> str:
    parts = [f"{name}:{one[name]}" for name in ("level", "project") if one[name]]
    return " ".join([*parts, *([one["query"]] if one["query"] else [])])


def _size(size: int) -> str:
    return f"{max(0, size) / (1 << 20):,.1f} MiB"
