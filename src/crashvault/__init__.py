"""Crashvault: a local-first vault for crashes and errors."""

__version__ = "0.1.0"
