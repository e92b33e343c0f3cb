"""Export and import: a vault, or a part of it, as a file, and back."""

from __future__ import annotations

from .document import FORMAT_VERSION
from .exporting import Export, export_vault
from .importing import MODES, Imported, import_vault

__all__ = ["FORMAT_VERSION", "MODES", "Export", "Imported", "export_vault", "import_vault"]
