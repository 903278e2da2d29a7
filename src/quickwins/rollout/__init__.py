"""Staged rollout: a flag's percentage goes up in steps, each through gates, and back to 0 in seconds when one says so.

    app = RolloutMiddleware(qw.asgi(app), qw.flags, features=["query_cache"])    # in the service: rollout.asgi

The service counts its requests by whether the feature was on for them. Nothing here changes what a request does; leave the
middleware out, and nothing is counted.
"""

from __future__ import annotations

from quickwins.core.lazy import lazily

__all__: list[str] = []

__getattr__, __dir__ = lazily(__name__, {})
