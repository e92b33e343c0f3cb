"""Reviewing code with what has crashed: changed lines and functions, fixes undone, swallowed crashes, missing tests."""
