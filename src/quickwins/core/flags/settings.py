"""How flags themselves are read, written and recorded: the section `[flags]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from quickwins.core.config import Number, Section, Whole


class FlagsSettings(Section):
    """The section `[flags]`."""

    poll_interval_seconds: Number = Field(
        default=0.5,
        ge=0.05,
        le=10,
        description="How often the sources are looked at; a look costs microseconds. A kill is seen after at most this "
        "long, plus the time the event loop is late.",
    )
    audit: bool = Field(
        default=True, description="Whether each change adds a line to the audit file. Read at the start."
    )
    audit_path: Path | None = Field(
        default=None,
        description="The audit file; absent: the configuration's path with `.audit.jsonl` behind it. "
        "Read at the start.",
    )
    audit_max_bytes: Whole = Field(
        default=8 << 20,
        ge=4096,
        le=1 << 30,
        description="At this size the audit file is renamed to `.1`. Read at the start.",
    )
    write_command: tuple[str, ...] = Field(
        default=(),
        description="What `quickwins flags set` runs instead of writing the file, for other stores: a program and its "
        "arguments, in which {feature} and {changes} (a JSON object) are filled in. Absent: the file is written.",
    )
