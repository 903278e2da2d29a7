"""Tells a file that was cut short from one that was edited, by its text alone.

A truncated TOML file is often valid TOML: cut between two lines it has lost settings, cut inside a number it says
`percent = 1` where 100 stood. Taking it would mean silent defaults. So a file that replaces a good one is refused

1. when the line `# quickwins: complete` is in it, but is not its last one;
2. when the good one ended with that line and this one does not;
3. unless it ends with it: when a key that the good one gave is no longer there, when it is a beginning of the good
   one, or when its last line has no line break.

With the line at its end, a file may drop any key: it is known to be whole. `FlagWriter` and the generated example
write the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMPLETE = "# quickwins: complete"


@dataclass(frozen=True, slots=True)
class Good:
    """A text that a process follows.

    Attributes:
        text: All of it.
        values: What it says.
    """

    text: str
    values: Mapping[str, Any]


def is_marked(text: str) -> bool:
    """Whether the last line that is not blank says that the file is whole."""
    return text.rstrip().rpartition("\n")[2].strip() == COMPLETE


def suspicion(good: Good | None, text: str, values: Mapping[str, Any]) -> str | None:
    """Why `text` looks cut short to a process that follows another one; `None` when it looks whole.

    Args:
        good: The one that the process follows; `None`: nothing is known of it.
        text: The new one.
        values: What the new one says.
    """
    if (good is not None and text == good.text) or is_marked(text):
        return None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == COMPLETE:
            return (
                f"line {number}, {COMPLETE!r}, is not the last line: move it to the end of the file, as "
                "`quickwins flags set` does with whatever it writes"
            )
    if good is not None and is_marked(good.text):
        return f"the last line {COMPLETE!r} is gone"
    return _lost(good, text, values)


def _lost(good: Good | None, text: str, values: Mapping[str, Any]) -> str | None:
    lost = [] if good is None else sorted(set(_keys(good.values)) - set(_keys(values)))
    if lost:
        return f"{', '.join(lost)} vanished; write the default, or end the file with {COMPLETE!r}"
    if good is not None and good.text.startswith(text):
        return "it is only the beginning of the last good one"
    return None if text.endswith("\n") else "its last line has no line break"


def marked_last(text: str) -> str:
    """`text` with the line that says it is whole at its end, wherever that stood; without one if it had none."""
    lines = text.split("\n")
    kept = [line for line in lines if line.strip() != COMPLETE]
    if len(kept) == len(lines) or is_marked(text):
        return text
    return "\n".join(kept).rstrip() + f"\n\n{COMPLETE}\n"


def _keys(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        dotted = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _keys(value, dotted)
        else:
            yield dotted
