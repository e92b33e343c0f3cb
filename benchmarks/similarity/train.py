"""Fits the shipped model to the training projects: `python -m benchmarks.similarity.train`.

Pairs of distinct stacks of a project are the rows: those of one bug, and of different bugs those that would be
compared at all, since they share a frame or the message. The threshold is the one with the best F1 at which joins in the
training projects, by models fitted without them, keep the precision that is asked.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import crashvault.grouping.similarity as similarity
from benchmarks.similarity import evaluate, measures, model
from benchmarks.similarity.crashes import Project, load
from crashvault.grouping.sketch import Sketch

LANGUAGES = ("python", "java")
FOLDS = 3
PAIRS_OF_A_BUG = 15
OTHERS_OF_A_STACK = 5
PRECISION = 0.97  # of pairs, in projects that a model has not seen
RIGHT = 29 / 30  # of the joins themselves: two bugs in one issue are worse than one bug in two
PERCENTS = (70, 80, 85, 88, 90, 92, 94, 96, 98)
_PATH = os.path.join(os.path.dirname(similarity.__file__), "similarity.json")


def rows_of(project: Project) -> Iterator[model.Row]:
    """Labelled pairs of distinct stacks; every bug weighs alike, however many tests it broke."""
    rng = Random(project.name)
    distinct = list({(crash.bug, crash.sketch): crash for crash in project.crashes}.values())
    counts: Counter[int] = Counter()
    for crash in distinct:
        counts.update(crash.sketch.traits())
    rarity = similarity.rarities(len(distinct), counts)
    bugs: dict[int, list[Sketch]] = {}
    for crash in distinct:
        bugs.setdefault(crash.bug, []).append(crash.sketch)
    for sketches in bugs.values():
        chosen = [(one, other) for place, one in enumerate(sketches) for other in sketches[:place]]
        chosen = rng.sample(chosen, min(PAIRS_OF_A_BUG, len(chosen)))
        for one, other in chosen:
            yield model.Row(similarity.features(one, other, rarity), True, len(chosen) ** -0.5)
    for crash in distinct:
        mine = set(crash.sketch.traits())
        others = [other for other in distinct if other.bug != crash.bug and not mine.isdisjoint(other.sketch.traits())]
        for other in rng.sample(others, min(OTHERS_OF_A_STACK, len(others))):
            yield model.Row(
                similarity.features(crash.sketch, other.sketch, rarity), False, len(bugs[crash.bug]) ** -0.5
            )


def fitted(projects: Sequence[Project]) -> dict[str, Any]:
    """Two sums: one for all rows with source lines, one for all rows as if they had none."""
    rows = [row for project in projects for row in rows_of(project)]
    lined = [row for row in rows if row.features["line"] is not None]
    return {"with lines": model.fit(lined), "without lines": model.fit([_without_line(row) for row in rows])}


def _without_line(row: model.Row) -> model.Row:
    return row._replace(features={name: value for name, value in row.features.items() if name != "line"})


def threshold(projects: Sequence[Project], wanted: float = PRECISION) -> float:
    """The threshold with the best F1 in projects that a model has not seen, where joins are right often enough."""
    folds = []
    for fold in range(FOLDS):
        inside = [project for place, project in enumerate(projects) if place % FOLDS != fold]
        outside = [project for place, project in enumerate(projects) if place % FOLDS == fold]
        folds.append((outside, similarity.model_from({**fitted(inside), "threshold": 1.0})))
    best = (0.0, 1.0)
    for percent in PERCENTS:
        total = joins = measures.Pairs()
        for outside, found in folds:
            reached = evaluate.grouping(outside, found, percent / 100)
            total += reached.pairs
            joins += reached.joins
        print(
            f"  threshold {percent / 100:.2f}: precision {total.precision:.3f} recall {total.recall:.3f} F1 {total.f1:.3f},"
            f" {joins.right} of {joins.together} joins right",
            flush=True,
        )
        if total.precision >= wanted and joins.precision >= RIGHT:
            best = max(best, (total.f1, percent / 100))
    return best[1]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", action="append", choices=LANGUAGES, help="default: all")
    options = parser.parse_args(argv)
    projects = [
        project for language in options.language or LANGUAGES for project in load(language) if project.split == "train"
    ]
    data = fitted(projects)
    data["threshold"] = threshold(projects)
    with open(_PATH, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    print(f"{_PATH}: threshold {data['threshold']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
