"""Every captured trace gives exactly the platform, exceptions, frames and threads written beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import samples


@pytest.mark.parametrize("path", samples.SAMPLES, ids=samples.name)
def test_sample_is_parsed_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))

    found = samples.summary(samples.parsed(samples.read(path)))

    assert json.loads(json.dumps(found)) == expected


@pytest.mark.parametrize("path", samples.SAMPLES, ids=samples.name)
def test_sample_holds_no_path_of_the_machine_it_was_captured_on(path: Path) -> None:
    text = samples.read(path)

    assert "/tmp/" not in text
    assert "/root" not in text


def test_every_language_has_samples() -> None:
    platforms = {samples.parsed(samples.read(path)).platform for path in samples.SAMPLES}

    assert platforms == {
        "python", "javascript", "java", "go", "rust", "ruby", "php", "csharp", "native", "elixir", "other",
    }  # fmt: skip
