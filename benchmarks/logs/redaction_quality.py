"""What redaction finds, and what it leaves, on made-up lines: no timings, so that the limits hold on any machine.

The corpora stand in `tests/unit/logs/redaction/quality`. For each there is what is measured on them, and on what was held out: values
drawn again, contexts crossed with other secrets, sentences of our own.

python -m benchmarks.logs.redaction_quality [--leaks]
"""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

from benchmarks.program import command_line, conclude
from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._names import is_private
from quickwins.logs.redaction._scan import Scanner
from quickwins.rig import Target
from tests.unit.logs.redaction.corpus import clean
from tests.unit.logs.redaction.quality import measure
from tests.unit.logs.redaction.quality.sentences import LINES

BY_CHANCE = frozenset(("order-dashed", "ean13", "http-range", "int63", "ig-media", "order-16"))
"""Numbers that are as long as a card's or a telephone's: a share of them has its check digit."""
MOST = {"contexts": 0.012, "the 60 commonest families": 0.02, "further families": 0.2}
AMBIGUOUS = 2
"""Names that are private in one list and not in the other: `digest`, `seed`."""


def secrets(redaction: Redaction, *, show: bool) -> list[Target]:
    """Leaks of the packed cases and of those that were drawn again."""
    packed = measure.load("secrets")
    contexts = [case for case in packed if case["area"] == "context"]
    again = [
        measure.redrawn(case, Random(f"{at}")) for at, case in enumerate(packed) if case["area"] == "family"
    ]
    targets = []
    for name, cases in (("", packed), ("held out: ", again + measure.crossed(contexts))):
        for group, (count, leaking) in sorted(measure.table(cases, redaction).items()):
            targets.append(
                Target(
                    f"{name}{group}: {leaking} of {count} leak ({leaking / count:.1%}), at most {MOST[group]:.1%}",
                    met=leaking <= MOST[group] * count,
                )
            )
    if show:
        worst = Counter(case.get("family", "context") for case in packed if measure.leaks(case, redaction))
        print("leaking:", ", ".join(f"{family} {count}" for family, count in worst.most_common()))
    return targets


def wrong_hiding(redaction: Redaction) -> list[Target]:
    """Changes of what should stay."""
    packed = measure.load("clean")
    lost = Counter(case["class"] for case in packed if measure.loses(case, redaction))
    hand = sum(case["class"] == "hand" for case in packed)
    classes = sum(count for kind, count in lost.items() if kind != "hand" and kind not in BY_CHANCE)
    scanner = Scanner(redaction)
    own = [line for line in LINES if scanner.text(line, []) != line]
    made = clean(20_000, seed=23)
    changed = sum(scanner.text(line, []) != line for line in made)
    return [
        Target(
            f"sentences engineers need: {lost['hand']} of {hand} changed, at most 5", met=lost["hand"] <= 5
        ),
        Target(f"generated classes: {classes} changed, none may be", met=classes == 0),
        Target(f"held out: sentences: {len(own)} of {len(LINES)} changed, at most 5", met=len(own) <= 5),
        Target(
            f"held out: log lines: {1e4 * changed / len(made):.1f} of 10,000 changed, at most 5",
            met=changed <= 5e-4 * len(made),
        ),
    ]


def names() -> list[Target]:
    """Names of fields, both ways."""
    rows = measure.load("names")
    shown = [row["private"] for row in rows if "private" in row and not is_private(row["private"])]
    hidden = [row["plain"] for row in rows if "plain" in row and is_private(row["plain"])]
    return [
        Target(
            f"names: {len(shown)} private ones shown, {len(hidden)} others hidden; {AMBIGUOUS} are in both lists",
            met=len(shown) + len(hidden) <= AMBIGUOUS,
        )
    ]


def main() -> int:
    """Measure, print, and say whether the limits hold."""
    parser = command_line("benchmarks.logs.redaction_quality", __doc__)
    parser.add_argument("--leaks", action="store_true", help="say which families leak")
    options = parser.parse_args()
    relaxed = measure.table(measure.load("secrets"), Redaction.relaxed())
    print(
        "relaxed:",
        ", ".join(
            f"{group}: {leaking} of {count} leak" for group, (count, leaking) in sorted(relaxed.items())
        ),
    )
    strict = Redaction.strict()
    return conclude([*secrets(strict, show=options.leaks), *wrong_hiding(strict), *names()])


if __name__ == "__main__":
    sys.exit(main())
