"""A ramp as a caller writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.rollout.asgi import RolloutMiddleware
from quickwins.rollout.grpc import RolloutInterceptor

if TYPE_CHECKING:
    from quickwins import QuickWins
    from quickwins.core.asgi import App


def http(app: App, qw: QuickWins) -> App:
    return RolloutMiddleware(
        qw.asgi(app), qw.flags, features=["backpressure"], key=lambda scope: scope["state"]["user"]
    )


def calls(qw: QuickWins) -> list[object]:
    counting = RolloutInterceptor(qw.flags, features=["backpressure"], exempt=["/a.B/C"])
    return [counting, *qw.grpc_interceptors()]
