"""The functions and classes of a file, found in its masked text by indentation."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property

from quickwins.suppressions.scan.lexer import balance

# Beginning with plain letters, these are searched several times faster than from the start of each line.
_BLOCKS = {kind: re.compile(kind + r"[ \t]++(\w++)") for kind in ("def", "class")}
_BEFORE_BLOCK = re.compile(r"([ \t]*+)(?:async[ \t]++)?")
_DEDENT = [re.compile(rf"\n[ \t]{{0,{width}}}[^\s)\]}}]") for width in range(81)]


class Blocks:
    """The blocks of one file, by their number. Ask in order of the offsets: each look continues where the last one ended."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._looked: dict[int, tuple[int, int, int]] = {}
        """For a block how far it is known to reach, up to where its brackets were counted, and how many are open there."""
        self._ends: dict[int, int] = {}

    @cached_property
    def all(self) -> list[tuple[int, int, str, str]]:
        """Offset of the line, indentation, kind and name of each `def` and `class`."""
        code, found = self._code, []
        for kind, pattern in _BLOCKS.items():
            for match in pattern.finditer(code):
                at = match.start()
                start = code.rfind("\n", 0, at) + 1
                before = _BEFORE_BLOCK.fullmatch(code, start, at)
                if before is not None:
                    found.append((start, before.end(1) - start, kind, match[1]))
        found.sort()
        return found

    @cached_property
    def _starts(self) -> list[int]:
        return [block[0] for block in self.all]

    @cached_property
    def _parents(self) -> list[int]:
        """For each block the nearest one above that is indented less; -1 for none."""
        parents = []
        around: list[int] = []
        for index, block in enumerate(self.all):
            while around and self.all[around[-1]][1] >= block[1]:
                around.pop()
            parents.append(around[-1] if around else -1)
            around.append(index)
        return parents

    def last_start(self, offset: int) -> int:
        """Where the last block at or before `offset` begins; 0 if there is none."""
        number = bisect_right(self._starts, offset)
        return self._starts[number - 1] if number else 0

    def around(self, start: int, width: int) -> list[int]:
        """The blocks around the statement that begins at `start`, indented by `width`, outermost first."""
        found: list[int] = []
        index = bisect_left(self._starts, start) - 1 if width else -1
        while index >= 0:
            if self.all[index][1] < width and self._reaches(index, start):
                found.append(index)
                width = self.all[index][1]
            index = self._parents[index]
        found.reverse()
        return found

    def end(self, index: int) -> int:
        """Where a block ends: at the next line of code that is indented no more than its first."""
        self._reaches(index, len(self._code))
        return self._ends.get(index, len(self._code))

    def _reaches(self, index: int, start: int) -> bool:
        """Whether no line between a block's first one and `start` ends it."""
        end = self._ends.get(index)
        if end is not None:
            return end > start
        code = self._code
        at, indentation, _, _ = self.all[index]
        begin, counted, depth = self._looked.get(index) or (_line_end(code, at), at, 0)
        dedent = _DEDENT[min(indentation, len(_DEDENT) - 1)]
        found = dedent.search(code, begin, start)
        while found is not None:
            depth += balance(code, counted, found.start())
            if depth <= 0:
                self._ends[index] = found.start()
                return False
            counted = found.start()  # inside brackets any indentation goes
            found = dedent.search(code, found.end(), start)
        self._looked[index] = max(begin, start - 1), counted, depth
        return True


def _line_end(code: str, offset: int) -> int:
    end = code.find("\n", offset)
    return len(code) if end < 0 else end
