"""The off-peak window: times of day in a time zone, across midnight too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quickwins.core.errors import ConfigError

_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to, but not including, `end`, each day, by the clocks of `zone`.

    Where clocks are put back, an hour that comes twice counts twice.
    """

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `02:00-04:00 UTC` or `22:30-05:00 Europe/Berlin`.

        Raises:
            ConfigError: It is something else: what is allowed.
        """
        allowed = "a window is `HH:MM-HH:MM ZONE`, e.g. 02:00-04:00 UTC or 22:30-05:00 Europe/Berlin"
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ConfigError(f"{text!r}: {allowed}")
        hour, minute, end_hour, end_minute = map(int, match.groups()[:4])
        midnight = (end_hour, end_minute) == (24, 0)
        try:
            start, end = time(hour, minute), time(0 if midnight else end_hour, end_minute)
            zone = ZoneInfo(match[5])
        except (ValueError, ZoneInfoNotFoundError, OSError) as error:
            raise ConfigError(f"{text!r}: {allowed}") from error
        if start == end:
            raise ConfigError(f"{text!r}: it is empty; leave the window out for any time")
        return cls(start, end, zone)

    def holds(self, wall: float) -> bool:
        """Whether `wall`, in seconds since the epoch, is inside."""
        now = datetime.fromtimestamp(wall, UTC).astimezone(self.zone).time().replace(fold=0)
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone.key}"
