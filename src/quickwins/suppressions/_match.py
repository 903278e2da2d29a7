"""Which known suppression is which found one: in rounds, the best evidence first.

    in place    same file, function, statement; at the same place among those that look alike
    edited      same file and function, a statement that is much the same
    renamed     same file, another function: the old one is gone, or what stood around the statement has moved with it
    moved       another file, likewise

A known suppression that is still there without its directive has been fixed: it pays for no other one. And what is found
must hide no more than what was known: its codes are the same or fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product
from typing import TYPE_CHECKING

from quickwins.suppressions._alike import similarity
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.codes import covers, owner
from quickwins.suppressions.scan.outline import Outline, outline
from quickwins.suppressions.scan.places import Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from quickwins.suppressions.report import Identity, Report

Pair = tuple["Identity", "Identity"]

_BETTER = {Check.UNREASONED.value: None, Check.BROAD_FILTER.value: Check.FILTER_AT_IMPORT.value}
"""Checks that what is known may turn into: any may become one with codes that lacks only a reason."""

# How much of a statement must be the same, by how many of its neighbours are.
_ALIKE_IN_PLACE = 0.5
_ALIKE_NEARBY = 0.6
_ALIKE_ANYWHERE = 0.9

_MAX_PAIRS = 250_000
"""Of statements that are compared with each other: bounds the cost of a change of everything."""


def pairs(known: Iterable[Identity], report: Report, renamed: Mapping[str, str]) -> list[Pair]:
    """Each known suppression that is still there with the identity that it has now.

    Args:
        known: The identities of a baseline.
        report: The code as it is now.
        renamed: The old path of files that were moved or copied, as far as that is known.
    """
    return _Matching(known, report, renamed).pairs


class _Matching:
    def __init__(self, known: Iterable[Identity], report: Report, renamed: Mapping[str, str]) -> None:
        self.pairs: list[Pair] = []
        self._report = report
        self._renamed = renamed
        self._outlines: dict[str, Outline] = {}
        found = [one.identity for one in report.findings]
        self._known = dict.fromkeys(sorted(known))
        self._found = dict.fromkeys(sorted(found))
        self._suppressed = Counter((one.path, owner(one.codes), one.scope, one.statement) for one in found)
        self._seats: defaultdict[tuple[str, ...], Counter[tuple[str, str]]] = defaultdict(Counter)
        for one in found:
            key = one.path, owner(one.codes), one.scope, one.statement
            self._seats[key][one.seat.before, one.seat.after] += 1
        self._suppressed_rows = Counter(
            (one.path, owner(one.codes), one.scope, one.seat.row) for one in found if one.seat.row
        )
        self._were = Counter((one.path, owner(one.codes), one.scope, one.statement) for one in self._known)
        for round_ in (self._in_place, self._edited, self._renamed_scope, self._moved):
            if not self._known or not self._found:
                break
            round_()

    # The rounds.

    def _in_place(self) -> None:
        def key(one: Identity) -> tuple[str, ...]:
            return one.path, owner(one.codes), one.scope, one.statement

        def exact(one: Identity) -> tuple[object, ...]:
            return *key(one), one.codes, one.check, one.seat.index, one.seat.siblings, one.seat.row

        self._pair_by(exact, lambda _old, _new: 1.0)
        self._pair_by(key, lambda old, new: 2.0 if _sits_equally(old.seat, new.seat) else 0.0)
        self._pair_by(key, self._same_place)

    def _edited(self) -> None:
        def rows(one: Identity) -> tuple[str, ...]:
            return one.path, owner(one.codes), one.scope, one.seat.row or one.statement

        self._pair_by(rows, lambda old, new: self._is_edited(old, new) if old.seat.row else 0.0)
        self._pair_by(lambda one: (one.path, owner(one.codes), one.scope), self._is_edited)

    def _renamed_scope(self) -> None:
        self._pair_by(lambda one: (one.path, owner(one.codes), one.statement), self._is_renamed)
        self._pair_by(lambda one: (one.path, owner(one.codes)), self._is_renamed)

    def _moved(self) -> None:
        def key(one: Identity) -> tuple[str, ...]:
            return owner(one.codes), one.statement

        company = Counter((old.path, new.path) for _, old, new in self._candidates(key, self._is_moved))
        self._pair_by(key, self._is_moved)
        self._pair_by(
            key,
            lambda old, new: float(
                company[old.path, new.path] > 1 and old.scope == new.scope and not self._is_fixed(old)
            ),
        )
        gone = {one.path for one in self._known if one.path not in self._report.paths}
        if gone or self._renamed:
            self._pair_by(lambda one: (owner(one.codes), _leaf(one.scope)), self._is_moved_and_edited)

    # What counts as evidence; each gives 0 for none.

    def _same_place(self, old: Identity, new: Identity) -> float:
        """In one of several statements that look alike."""
        ours, theirs = old.seat, new.seat
        if ours.row and theirs.row and ours.row != theirs.row and self._is_fixed(old):
            return 0.0
        agree, differ = _neighbours(ours, theirs)
        if ours.siblings == theirs.siblings:
            return float(ours.index == theirs.index or (agree > 0 and not differ))
        key = old.path, owner(old.codes), old.scope, old.statement
        others_stayed = ours.siblings - self._were[key] == theirs.siblings - self._suppressed[key]
        if not others_stayed and self._is_nearer_without(old, agree):
            return 0.0
        return agree + 0.5 * others_stayed

    def _is_edited(self, old: Identity, new: Identity) -> float:
        if old.statement == new.statement or not old.statement or not new.statement:
            return 0.0
        agree, differ = _neighbours(old.seat, new.seat)
        least = _ALIKE_NEARBY if agree else _ALIKE_ANYWHERE
        if agree and not differ:
            least = _ALIKE_IN_PLACE
        same_row = bool(old.seat.row) and old.seat.row == new.seat.row
        score = similarity(old.statement, new.statement)
        if score < (_ALIKE_IN_PLACE if same_row else least) or self._is_fixed(old):
            return 0.0
        return score + agree + same_row

    def _is_renamed(self, old: Identity, new: Identity) -> float:
        if old.scope == new.scope:
            return 0.0
        score = similarity(old.statement, new.statement)
        if score < _ALIKE_ANYWHERE:
            return 0.0
        if _is_code(old.path):
            names = self._outline(old.path).names
            is_gone = any(part not in names for part in old.scope.split(".") if part)
        else:
            is_gone = _leaf(old.scope) == _leaf(new.scope)  # the tables of a configuration
        agree, differ = _neighbours(old.seat, new.seat)
        if not (self._came_along(old, new) or (is_gone and (agree or not differ))) or self._is_fixed(old):
            return 0.0
        return score + agree + is_gone

    def _is_moved(self, old: Identity, new: Identity) -> float:
        if old.path == new.path or _leaf(old.scope) != _leaf(new.scope):
            return 0.0
        agree, differ = _neighbours(old.seat, new.seat)
        if old.path not in self._report.paths:
            evidence = bool(old.scope) or agree > 0 or not (differ or old.statement)
        elif not _is_code(old.path):
            evidence = old.scope == new.scope and _folder(old.path) == _folder(new.path)
        elif old.scope and old.scope.split(".")[0] not in self._outline(old.path).names:
            evidence = True
        else:
            evidence = self._came_along(old, new)
        if not evidence and self._renamed.get(new.path) == old.path:
            evidence = agree > 0 or not differ
        if not evidence or self._is_fixed(old):
            return 0.0
        return 1.0 + agree + (old.scope == new.scope)

    def _is_moved_and_edited(self, old: Identity, new: Identity) -> float:
        came_from = self._renamed.get(new.path)
        if old.path == new.path or (old.path in self._report.paths and came_from != old.path):
            return 0.0
        agree, _ = _neighbours(old.seat, new.seat)
        score = similarity(old.statement, new.statement)
        return 0.0 if not agree or score < _ALIKE_NEARBY or self._is_fixed(old) else score + agree

    def _is_fixed(self, old: Identity) -> bool:
        """Whether its statement is still there, without it."""
        if old.path not in self._report.paths:
            return False
        there = self._outline(old.path)
        place = old.path, owner(old.codes), old.scope
        if old.seat.row and there.rows[old.scope, old.seat.row]:
            return there.rows[old.scope, old.seat.row] > self._suppressed_rows[*place, old.seat.row]
        key = *place, old.statement
        without = there.statements[old.scope, old.statement] - self._suppressed[key]
        return without > old.seat.siblings - self._were[key]

    def _is_nearer_without(self, old: Identity, agree: int) -> bool:
        """Whether one of its kind that is not suppressed has more of its neighbours than `agree`."""
        key = old.path, owner(old.codes), old.scope, old.statement
        there = Counter(self._outline(old.path).seats[old.scope, old.statement])
        without = there - self._seats[key]
        return any(_neighbours(old.seat, Seat(before=one[0], after=one[1]))[0] > agree for one in without)

    def _came_along(self, old: Identity, new: Identity) -> bool:
        """Whether what stood before or after it has moved with it."""
        if old.path not in self._report.paths:
            return False
        there, ours, theirs = self._outline(old.path), old.seat, new.seat
        before = ours.before == theirs.before != "" and (old.scope, ours.before) not in there.before
        return before or (ours.after == theirs.after != "" and (old.scope, ours.after) not in there.after)

    def _outline(self, path: str) -> Outline:
        if path not in self._outlines:
            is_there = path in self._report.paths and _is_code(path)
            self._outlines[path] = outline(self._report.text(path)) if is_there else Outline()
        return self._outlines[path]

    # Pairing.

    def _pair_by(
        self, key: Callable[[Identity], object], evidence: Callable[[Identity, Identity], float]
    ) -> None:
        """Pair those of equal keys, the best evidence first; of equal evidence, in order."""
        ranked = sorted(
            self._candidates(key, evidence),
            key=lambda one: (-one[0], one[1].codes != one[2].codes, abs(one[1].ordinal - one[2].ordinal)),
        )
        for _, old, new in ranked:
            if old in self._known and new in self._found:
                del self._known[old], self._found[new]
                self.pairs.append((old, new))

    def _candidates(
        self, key: Callable[[Identity], object], evidence: Callable[[Identity, Identity], float]
    ) -> Iterator[tuple[float, Identity, Identity]]:
        by_key: defaultdict[object, tuple[list[Identity], list[Identity]]] = defaultdict(lambda: ([], []))
        for side, ones in enumerate((self._known, self._found)):
            for one in ones:
                by_key[key(one)][side].append(one)
        for olds, news in by_key.values():
            few = len(olds) * len(news) <= _MAX_PAIRS
            for old, new in product(olds, news) if few else zip(olds, news, strict=False):
                if _may_become(old, new):
                    score = evidence(old, new)
                    if score:
                        yield score, old, new


def _may_become(old: Identity, new: Identity) -> bool:
    """Whether what is found is no worse than what was known."""
    better = old.check == new.check or _BETTER.get(new.check, "") in {None, old.check}
    return better and covers(old.codes, new.codes)


def _sits_equally(ours: Seat, theirs: Seat) -> bool:
    return (ours.index, ours.siblings, ours.row) == (theirs.index, theirs.siblings, theirs.row)


def _neighbours(ours: Seat, theirs: Seat) -> tuple[int, int]:
    """How many neighbours are the same, and how many are others."""
    both = [one for one in ((ours.before, theirs.before), (ours.after, theirs.after)) if all(one)]
    agree = sum(1 for mine, other in both if mine == other)
    return agree, len(both) - agree


def _is_code(path: str) -> bool:
    return (
        path.endswith((".py", ".pyi", ".pyw", ".pyx", ".pxd", ".pxi", ".ipynb"))
        or "." not in path.rsplit("/", 1)[-1]
    )


def _leaf(scope: str) -> str:
    return scope.rsplit(".", 1)[-1]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
