"""The generator of realistic events: what benchmarks and other tests rely on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import islice

import pytest
from benchmarks import shapes
from benchmarks.realistic import SPAN, START, events, json_lines, numbered_events, read_jsonl, write_jsonl

from crashvault import clock


@pytest.mark.parametrize("shape", ["native", "sentry"])
def test_same_seed_gives_the_same_events_and_another_seed_others(shape):
    assert list(json_lines(40, seed=3, shape=shape)) == list(json_lines(40, seed=3, shape=shape))
    assert list(json_lines(40, seed=3, shape=shape)) != list(json_lines(40, seed=4, shape=shape))


@pytest.mark.parametrize("shape", ["native", "sentry"])
def test_every_hole_is_filled_and_no_event_id_repeats(shape):
    lines = list(json_lines(300, shape=shape))

    assert not any("\\u00ab" in line for line in lines)
    assert len({json.loads(line)["event_id"] for line in lines}) == 300


def test_events_have_the_promised_size_and_stack():
    found = list(events(300))
    sizes = [len(json.dumps(event, separators=(",", ":"))) for event in found]
    assert 6_000 < sum(sizes) / len(sizes) < 11_000
    assert all(8 <= len(event["frames"]) <= 28 for event in found)
    assert all(6 <= len(event["tags"]) <= 10 for event in found)
    assert all(2_000 < size < 20_000 for size in sizes)


def test_times_rise_within_the_span():
    times = [clock.from_iso(event["timestamp"]) for event in events(200)]
    assert times == sorted(times)
    assert times[0] >= START and times[-1] <= START + SPAN


def test_few_bugs_have_most_events_and_a_bug_keeps_its_stack():
    stacks = defaultdict(set)
    counts: Counter[int] = Counter()
    for bug, event in numbered_events(1500, issues=300):
        counts[bug] += 1
        stacks[bug].add(tuple((frame.get("file"), frame["function"]) for frame in event["frames"]))
    assert sum(count for _, count in counts.most_common(30)) > 500
    assert all(len(found) == 1 for found in stacks.values())
    assert len({next(iter(found)) for found in stacks.values()}) == len(stacks)


def test_a_second_event_of_a_bug_differs_where_life_differs():
    seen = defaultdict(list)
    for bug, event in numbered_events(400, issues=20):
        seen[bug].append(event)
    first, second = next(found for found in seen.values() if len(found) > 1)[:2]
    for field in ("event_id", "timestamp", "trace_id", "breadcrumbs", "pid"):
        assert first[field] != second[field]
    assert first["context"]["modules"] == second["context"]["modules"]


def test_a_file_is_written_once_and_read_back(tmp_path):
    path = write_jsonl(tmp_path / "deep" / "events.jsonl", 5)
    written = path.read_bytes()
    assert write_jsonl(path, 9) == path and path.read_bytes() == written
    assert [line.decode() for line in read_jsonl(path)] == list(json_lines(5))
    assert len(list(read_jsonl(path, limit=2))) == 2


@pytest.mark.parametrize("shape", sorted(shapes.SHAPES))
def test_other_shapes_are_deterministic_and_lose_their_words_when_made_unfamiliar(shape):
    raws = list(islice(shapes.SHAPES[shape](4, 1), 4))
    assert raws == list(islice(shapes.SHAPES[shape](4, 1), 4))
    strange = shapes.unfamiliar(raws, 7)
    assert [raw.keys() for raw in strange] == [raw.keys() for raw in raws]
    assert "acme" not in json.dumps(strange)
