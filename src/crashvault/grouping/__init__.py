"""Grouping: which issue an event belongs to, and why. Pure."""

from __future__ import annotations

from .message import parameterize
from .rules import NO_RULES, Rules, compile_rules
from .strategies import ALGORITHM, ALGORITHMS, explain, group

__all__ = [
    "ALGORITHM",
    "ALGORITHMS",
    "NO_RULES",
    "Rules",
    "compile_rules",
    "explain",
    "group",
    "parameterize",
]
