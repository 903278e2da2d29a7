"""Tells a file that was cut short from one that was edited, by its text alone.

A truncated TOML file is often valid TOML: cut between two lines it has lost settings, cut inside a number it says
`percent = 1` where 100 stood. Taking it would mean silent defaults. So a file that replaces a good one is refused

1. when the good one ended with the line `# quickwins: complete` and this one does not;
2. unless it has that line: when it is a beginning of the good one, when its last line has no line break, or when a
   key that the good one gave is no longer there.

With the line at its end, a file may drop any key: it is known to be whole. `FlagWriter` and the generated example
write the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMPLETE = "# quickwins: complete"


def is_marked(text: str) -> bool:
    """Whether the last line that is not blank says that the file is whole."""
    return text.rstrip().rpartition("\n")[2].strip() == COMPLETE


def suspicion(good: str, good_values: Mapping[str, Any], text: str, values: Mapping[str, Any]) -> str | None:
    """Why `text` looks cut short when compared with the last good one; `None` when it looks whole."""
    if text == good or is_marked(text):
        return None
    if is_marked(good):
        return f"the last line {COMPLETE!r} is gone"
    if good.startswith(text):
        return "it is only the beginning of the last good one"
    if not text.endswith("\n"):
        return "its last line has no line break"
    lost = sorted(set(_keys(good_values)) - set(_keys(values)))
    if lost:
        return f"{', '.join(lost)} vanished; write the default, or end the file with {COMPLETE!r}"
    return None


def _keys(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        dotted = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _keys(value, dotted)
        else:
            yield dotted
