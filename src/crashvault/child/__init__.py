"""Run a command as if this program were not there, and remember the end of what it wrote."""

from .result import ChildResult
from .tail import KEEP

try:
    from .run import run_child
except ImportError:  # Windows has neither pseudo-terminals nor job control
    from .portable import run_child

__all__ = ["KEEP", "ChildResult", "run_child"]
