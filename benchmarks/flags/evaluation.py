"""What asking a flag costs, beside the least it could cost: a bare attribute read, a bare digest of the same bytes.

python -m benchmarks.flags.evaluation
"""

from __future__ import annotations

import sys
from hashlib import blake2b
from random import Random
from timeit import Timer

from prometheus_client import CollectorRegistry

from benchmarks.program import conclude
from quickwins.core.digest import framed
from quickwins.core.flags import Flags, FlagSettings, MemorySource, pinned
from quickwins.rig import paired_ratios

ROUNDS = 200
KEY_LENGTHS = (4, 24, 200)


class Bare:
    """One attribute in a slot, the fastest thing to ask in Python."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = True


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    values = {"full": {"enabled": True}, "half": {"enabled": True, "percent": 50}, "off": {"enabled": False}}
    sections = dict.fromkeys(values, FlagSettings)
    flags = Flags(sections, [MemorySource(values)], registry=CollectorRegistry())
    names = {
        "bare": Bare(),
        "full": flags.flag("full"),
        "half": flags.flag("half"),
        "off": flags.flag("off"),
        "pinned": pinned,
    }
    rng = Random(1)

    unkeyed = paired_ratios(
        {
            "a bare attribute read": Timer("bare.on", globals=names),
            "flag.state.on": Timer("full.state.on", globals=names),
            "flag.active(), no pin": Timer("full.active()", globals=names),
            "flag.active(), off": Timer("off.active()", globals=names),
            "with pinned(key): pass": Timer("with pinned('user-1'):\n    pass", globals=names),
        },
        reference="a bare attribute read",
        rng=rng,
        rounds=ROUNDS,
    )
    print("unkeyed evaluation\n" + unkeyed.table())
    targets = [unkeyed.ratios["flag.state.on"].at_most(5.0)]

    for length in KEY_LENGTHS:
        key = "k" * length
        framed_bytes = framed("half") + framed(key)
        bare = "blake2b(data, digest_size=8).digest()"
        keyed = paired_ratios(
            {
                "a bare digest": Timer(bare, globals={"blake2b": blake2b, "data": framed_bytes}),
                "flag.active_for(key)": Timer("half.active_for(key)", globals={**names, "key": key}),
                "flag.active(), pinned": Timer(
                    "half.active()", setup="pin = pinned(key); pin.__enter__()", globals={**names, "key": key}
                ),
            },
            reference="a bare digest",
            rng=rng,
            rounds=ROUNDS,
        )
        print(f"\nkeyed evaluation, keys of {length} characters\n{keyed.table()}")
        targets.append(keyed.ratios["flag.active_for(key)"].at_most(2.0))

    return conclude(targets)


if __name__ == "__main__":
    sys.exit(main())
