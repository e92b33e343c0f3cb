"""Train the zstd dictionaries with which the store compresses payloads and stacks.

`python -m benchmarks.train_dictionary` normalizes events of every shape, splits them as the store does,
replaces the generator's vocabulary by invented words, trains one dictionary each for payloads and
stacks, and shows what they gain on events they have not seen: other seeds with the real vocabulary and
captures of the real sentry-sdk, beside the dictionaries that the codec uses now. `--write` puts them into the
package under the next free number; stored bodies name their dictionary, so an existing file never changes,
and `storage.codec` decides which one is used.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

import crashvault
from benchmarks import measure, sdk_shapes, shapes
from crashvault.ingest.normalize import normalize
from crashvault.models import LEVEL_RANKS
from crashvault.storage import codec

SHARE = {"native": 4, "sentry": 6, "add": 3, "wrap": 3, "otel": 3, "small": 2}  # of 21 training events
RECEIVED = 1_790_000_000_000_000
_STEMS = {"payloads": "payload", "stacks": "stack"}
_K, _D = 256, 8  # segment and dmer length of the COVER algorithm, in bytes


class Samples(NamedTuple):
    """Encoded parts by the dictionary that compresses them."""

    payloads: list[bytes]
    stacks: list[bytes]  # and backgrounds


def collect(raws: Iterable[dict[str, Any]]) -> Samples:
    """The encoded parts of events as the store compresses them; what is shared, once."""
    encode = codec.fast_encoder()
    payloads: list[bytes] = []
    shared: dict[bytes, None] = {}
    for raw in raws:
        parts = codec.split(normalize(raw, received_at=RECEIVED, levels=LEVEL_RANKS), encode)
        payloads.append(parts.payload)
        shared.update(dict.fromkeys(body for body in (parts.stack, parts.background) if body))
    return Samples(payloads, list(shared))


def training_events(n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Events of all shapes by their shares, in invented words."""
    total = sum(SHARE.values())
    for shape, share in SHARE.items():
        for number, raw in enumerate(shapes.SHAPES[shape](n * share // total, seed)):
            yield shapes.unfamiliar(raw, number)


def train(samples: list[bytes], size: int) -> bytes:
    """A dictionary of at most `size` bytes."""
    return zstandard.train_dictionary(
        size, list[bytes | bytearray | memoryview](samples), k=_K, d=_D, level=codec._LEVEL
    ).as_bytes()


def held_out(n: int, seed: int) -> dict[str, Samples]:
    """Events that no training has seen, by shape."""
    found = {shape: collect(make(n, seed)) for shape, make in shapes.SHAPES.items()}
    captured = [event for pair in sdk_shapes.captured_pairs() for event in pair]
    return found | {"real sentry-sdk": collect(map(shapes.of_sentry, captured))}


def evaluation(test: dict[str, Samples], dictionaries: dict[str, bytes]) -> list[dict[str, Any]]:
    """Mean bytes of the parts of each shape: raw, compressed alone, compressed with the dictionary."""
    plain = zstandard.ZstdCompressor(level=codec._LEVEL, write_checksum=False)
    rows = []
    for part, dictionary in dictionaries.items():
        known = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_FULLDICT)
        fitted = zstandard.ZstdCompressor(
            level=codec._LEVEL, dict_data=known, write_checksum=False, write_dict_id=False
        )
        for shape, samples in test.items():
            bodies: list[bytes] = getattr(samples, part)
            if bodies:
                rows.append({"part": part, "shape": shape} | _gain(bodies, plain, fitted))
    return rows


def _gain(bodies: list[bytes], plain: zstandard.ZstdCompressor, fitted: zstandard.ZstdCompressor) -> dict[str, float]:
    sums: dict[str, list[int]] = defaultdict(list)
    for body in bodies:
        sums["raw B"].append(len(body))
        sums["alone B"].append(len(plain.compress(body)))
        sums["with B"].append(len(fitted.compress(body)))
    means = {name: statistics.fmean(values) for name, values in sums.items()}
    return means | {
        "alone 1 :": means["raw B"] / means["alone B"],
        "with 1 :": means["raw B"] / means["with B"],
    }


def write(dictionaries: dict[str, bytes]) -> list[Path]:
    """Put the dictionaries beside the package's others, under the next free number, and never over one."""
    folder = _folder()
    folder.mkdir(exist_ok=True)
    numbers = [int(path.stem.rpartition("-")[2]) for path in folder.glob("*.zdict")]
    number = max(numbers, default=0) + 1
    paths = [folder / f"{_STEMS[part]}-{number}.zdict" for part in dictionaries]
    for path, dictionary in zip(paths, dictionaries.values(), strict=True):
        path.write_bytes(dictionary)
    return paths


def shipped() -> dict[str, bytes]:
    """The dictionaries that the codec compresses with now."""
    numbers = {"payloads": codec.PAYLOAD, "stacks": codec.STACK}
    files = {part: _folder() / codec.DICTIONARIES[number] for part, number in numbers.items()}
    return {part: path.read_bytes() for part, path in files.items() if path.exists()}


def _folder() -> Path:
    return Path(crashvault.__file__).parent / "storage" / "dictionaries"


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments(
        "Train the store's dictionaries.", events=4_000, payload_bytes=32_768, stack_bytes=32_768
    )
    parser.add_argument("--write", action="store_true", help="put them into the package")
    options = parser.parse_args(argv)
    samples = collect(training_events(options.events, seed=1001))
    sizes = {"payloads": options.payload_bytes, "stacks": options.stack_bytes}
    dictionaries = {part: train(getattr(samples, part), size) for part, size in sizes.items()}
    test = held_out(400, seed=77)
    rows = evaluation(test, dictionaries)
    measure.table("Mean size of a part; the dictionary has seen none of these events", rows)
    present = evaluation(test, shipped())
    if present:
        measure.table("The same with the dictionaries in use", present)
    for path in write(dictionaries) if options.write else ():
        print(f"written: {path}")
    measure.finish("train_dictionary", {"sizes": sizes, "rows": rows, "in_use": present}, options.json)


if __name__ == "__main__":
    main()
