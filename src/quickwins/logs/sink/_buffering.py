"""How lines wait to be written: in how much memory, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from quickwins.core.knobs import Checked, knob

if TYPE_CHECKING:
    from quickwins.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Buffering(Checked):
    """What a sink is told to do; checked when made. Each knob says what it does.

    Attributes:
        clock: For back-off and deadlines; the system's when `None`.
    """

    max_bytes: int = knob(
        8 << 20,
        ge=4_096,
        le=1 << 30,
        words="How many bytes of lines may wait in memory for a slow reader, a quarter of them for warnings and errors "
        "alone; what finds no room is dropped and counted. Read at the start.",
    )
    linger_seconds: float = knob(
        0.1,
        ge=0.0,
        le=1.0,
        words="How long a line below WARN waits for more before it is written: waking a thread costs as much as some ten "
        "lines, and a process that is killed loses what waits. Off value: 0.",
    )
    inline: bool = knob(
        False,
        words="Write in the thread that logs: without a queue while all is well, and without waiting when it isn't; what "
        "finds no room then stays queued until the next line, `flush` or `close`. Off value: false.",
    )
    clock: Clock | None = None


class SinkOptions(TypedDict, total=False):
    """What every constructor of `Sink` takes, as keywords; all are optional.

    Attributes:
        max_bytes: How many bytes of lines may wait in memory, 8 MiB by default, from 4,096 to 1 GiB; a quarter of them
            is for warnings and errors alone. What finds no room is dropped and counted.
        linger_seconds: How long a line below WARN waits for more before it is written, 0.1 by default, from 0 (not at
            all) to 1. A process that is killed loses what waits.
        inline: Write in the thread that logs, without a queue while all is well and without waiting when it isn't; what
            finds no room then stays queued until the next line, `flush` or `close`. False by default.
        clock: For back-off and deadlines; the system's when `None`.
    """

    max_bytes: int
    linger_seconds: float
    inline: bool
    clock: Clock | None
