"""Imported by every Python that `crashvault autolog` starts, because this folder is on its PYTHONPATH.

It has to be harmless in any Python, also in one without Crashvault, and makes way for a sitecustomize that
is there without it.
"""

import os
import sys

_folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if path != _folder]

try:
    from crashvault.sdk.autolog import install as _install
except (ImportError, SyntaxError):  # another Python, without Crashvault or too old for it
    pass
else:
    _install()

_self = sys.modules.pop(__name__, None)
try:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - the one that this hides
except ImportError:
    if _self is not None:
        sys.modules[__name__] = _self
