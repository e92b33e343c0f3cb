"""What docs/grouping.md shows is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

from crashvault.grouping import compile_rules, group
from crashvault.models import Event

GUIDE = (Path(__file__).parents[2] / "docs" / "grouping.md").read_text(encoding="utf-8")
EVENT: Event = {
    "platform": "python",
    "exceptions": [
        {
            "type": "ValueError",
            "value": "invalid literal for int() with base 10: 'x'",
            "frames": [{"module": "orders.api", "function": "create_order", "in_app": True}],
        }
    ],
}


def test_the_rules() -> None:
    shown = re.search(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    assert shown
    rules = compile_rules(json.loads(shown[1]))
    assert len(rules.grouping) == 2 and len(rules.frames) == 2
    slow: Event = {"exceptions": [{"type": "OperationalError", "value": "query timed out"}]}
    assert group(slow, rules).title == "Database down"
