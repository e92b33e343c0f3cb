"""Grouping and ranking on crashes whose bugs are known, of projects that nothing was fitted to.

    python -m benchmarks.similarity            # figures of the validation projects
    python -m benchmarks.similarity --cost     # and what it costs

The data, how it was made, and what the figures mean: `benchmarks/similarity/README.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.similarity import cost, evaluate
from benchmarks.similarity.crashes import Project, load
from crashvault.grouping.similarity import shipped

NOTHING = 2.0  # a threshold that no score reaches


def figures(projects: Sequence[Project]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of pairs by method."""
    model = shipped()
    methods = {
        "message": evaluate.by_message(projects, with_type=False),
        "type and message": evaluate.by_message(projects, with_type=True),
        "key": evaluate.grouping(projects, model, NOTHING),
        "key and similarity": evaluate.grouping(projects, model, model.threshold),
    }
    return {
        name: {
            "precision": found.pairs.precision, "recall": found.pairs.recall, "f1": found.pairs.f1,
            "mean_f1": found.mean_f1, "joins": found.joins.together, "right_joins": found.joins.right,
        }
        for name, found in methods.items()
    }  # fmt: skip


def show(language: str, projects: Sequence[Project], found: dict[str, Any]) -> None:
    crashes = sum(len(project.crashes) for project in projects)
    bugs = sum(len({crash.bug for crash in project.crashes}) for project in projects)
    print(f"\n{language}: {crashes} crashes of {bugs} bugs in {', '.join(project.name for project in projects)}")
    print(f"  {'grouping of pairs':<22} {'precision':>9} {'recall':>7} {'F1':>6} {'mean F1':>8}  joins, right")
    for name, row in found["grouping"].items():
        joins = f"{row['joins']:.0f}, {row['right_joins']:.0f}" if row["joins"] else ""
        print(
            f"  {name:<22} {row['precision']:>9.3f} {row['recall']:>7.3f} {row['f1']:>6.3f} {row['mean_f1']:>8.3f}  {joins}"
        )
    ranked = found["ranking"]
    print(
        f"  ranking of known bugs, {ranked['queries']} queries: MAP {ranked['mean_average_precision']:.3f}, "
        f"first hit right {ranked['first_right']:.3f}"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("train", "validation"), default="validation")
    parser.add_argument("--cost", action="store_true", help="also time new keys and dedup; some minutes")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE as well")
    options = parser.parse_args(argv)
    results: dict[str, Any] = {}
    for language in ("python", "java"):
        projects = [project for project in load(language) if project.split == options.split]
        results[language] = {
            "grouping": figures(projects),
            "ranking": evaluate.ranking(projects, shipped())._asdict(),
        }
        show(language, projects, results[language])
    if options.cost:
        results["cost"] = cost.run()
        print()
        cost.show(results["cost"])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
