"""How well messages are grouped by template, on log messages of twenty-four kinds of systems.

    python -m benchmarks.messages [--peer]

Grouping accuracy as the field counts it: the share of messages whose group holds exactly the messages of their
template. `--peer` also runs Drain3, where it is installed, with its defaults.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from benchmarks.messages.systems import HELD_OUT, SEEN, messages
from crashvault.grouping import group

COUNT = 1_000


def grouping_accuracy(truth: Sequence[Hashable], groups: Sequence[Hashable]) -> float:
    of_group: dict[Hashable, set[int]] = defaultdict(set)
    of_truth: dict[Hashable, set[int]] = defaultdict(set)
    for place, (label, found) in enumerate(zip(truth, groups, strict=True)):
        of_truth[label].add(place)
        of_group[found].add(place)
    right = sum(len(members) for members in of_group.values() if of_truth[truth[min(members)]] == members)
    return right / len(truth)


def by_key(texts: Sequence[str]) -> list[Hashable]:
    return [group({"message": text}).hash for text in texts]


def by_drain(texts: Sequence[str]) -> list[Hashable]:
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    miner = TemplateMiner(config=TemplateMinerConfig())
    return [miner.add_log_message(text)["cluster_id"] for text in texts]


def figures(grouper: Callable[[Sequence[str]], list[Hashable]]) -> dict[str, float]:
    found = {}
    for system in (*SEEN, *HELD_OUT):
        rows = messages(system, COUNT)
        found[system] = grouping_accuracy([number for number, _ in rows], grouper([text for _, text in rows]))
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="store_true", help="run Drain3 too")
    options = parser.parse_args(argv)
    methods = {
        "crashvault": figures(by_key),
        "v1": figures(lambda texts: [group({"message": text}, algorithm="v1").hash for text in texts]),
        **({"drain3": figures(by_drain)} if options.peer else {}),
    }
    print(f"{'system':<14}" + "".join(f"{name:>12}" for name in methods))
    for title, systems in (("looked at", SEEN), ("held out", HELD_OUT)):
        for system in systems:
            print(f"{system:<14}" + "".join(f"{found[system]:>12.3f}" for found in methods.values()))
        means = [sum(found[system] for system in systems) / len(systems) for found in methods.values()]
        print(f"{'= ' + title:<14}" + "".join(f"{mean:>12.3f}" for mean in means))
    return 0


if __name__ == "__main__":
    sys.exit(main())
