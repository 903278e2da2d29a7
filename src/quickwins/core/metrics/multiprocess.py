"""Whether prometheus_client is in its multiprocess mode, and where."""

from __future__ import annotations

import os

VARIABLES = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""The environment variables that say so; prometheus_client still takes the second, its older name."""


def folder() -> str | None:
    """The folder that all processes write their series into; `None`: each is asked for its own."""
    return next((os.environ[name] for name in VARIABLES if name in os.environ), None)
