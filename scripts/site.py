"""Hooks of MkDocs: pages that lie beside `docs` come into the site too, and links find them there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "examples")
_IMAGE = r"!\[[^\]]*\]\([^)]*\)"


def on_files(files: Files, config: Any) -> Files:
    for name in BESIDE:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            inside = file.relative_to(ROOT).as_posix()
            if file.is_file() and not re.search(r"(^|/)(node_modules|__pycache__|\.\w+)(/|$)", inside):
                files.append(File.generated(config, _named(inside), abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are in the repository → links as they are in the site, where `docs` is the root."""
    source = page.file.src_uri
    depth = source.count("/")
    if source in map(_named, BESIDE) or source.startswith("examples/"):
        up = "../" * depth
        markdown = re.sub(rf"\]\((?:{re.escape(up)})docs/", f"]({up}", markdown)
    else:
        up = "../" * (depth + 1)
        names = "|".join(map(re.escape, BESIDE))
        markdown = re.sub(rf"\]\({re.escape(up)}(?=(?:{names})\b)", f"]({'../' * depth}", markdown)
    return re.sub(r"\]\(((?:\.\./)*)README\.md", r"](\1index.md", markdown) if "examples/" not in source else markdown


def _named(inside: str) -> str:
    """The name in the site: the README of the repository is its first page."""
    return "index.md" if inside == "README.md" else inside
