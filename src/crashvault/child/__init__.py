"""Run a command as if this program were not there, and remember the end of what it wrote."""

from .result import ChildResult
from .run import KEEP, run_child

__all__ = ["KEEP", "ChildResult", "run_child"]
