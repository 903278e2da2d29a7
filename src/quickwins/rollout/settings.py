"""The section `[rollout]`: where ramps are kept."""

from __future__ import annotations

from pydantic import Field

from quickwins.core.config import Section


class RolloutSettings(Section):
    """The section `[rollout]`, for the commands `quickwins rollout`; services have no use for it."""

    store: str = Field(
        default="",
        repr=False,  # in the environment it may have a password
        max_length=2000,
        description="The database that ramps are kept in, for controllers on several machines: `postgresql://ops@db.example/ops`. "
        "Its password is in PGPASSWORD, in a password file, or in QUICKWINS_ROLLOUT__STORE instead of this. Empty: a file beside "
        "this one.",
    )
