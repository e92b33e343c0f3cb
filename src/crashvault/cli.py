"""The command line: which commands there are. Nothing else lives here.

A command's module is imported when it is run or when help lists it, because importing all of them
would take longer than most commands do.
"""

from __future__ import annotations

from .commands.group import VaultGroup

cli = VaultGroup.root()

# name: module in `commands`; the names on the right of `=` mean the same.
for line in """
    init path config doctor help
    add=new list=ls show=sh event events search stats sql tail
    resolve reopen ignore set-status=st set-title=title set-severity
    kill purge=rm gc
    export import backup restore migrate-store
    assign comment merge unmerge similar dedup batch prune
    note report attach attachments diagnose
    completion setup notify docs test
    wrap group level
    retention
    autolog
    alert
    server api-key project demo webhook user plugin
    batch-analyze code-review changes generate-report
""".split():
    cli.add_lazy_command(*line.split("="))
