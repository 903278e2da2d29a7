"""What a service puts around the applications of the frameworks, each with types of its own for ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from litestar import Litestar
from starlette.applications import Starlette

from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.core.asgi import Lifespan
from quickwins.logs.asgi import LogMiddleware

if TYPE_CHECKING:
    from quickwins import QuickWins
    from quickwins.core.asgi import App


def inside(qw: QuickWins) -> FastAPI:
    """A service with everything inside."""
    app = FastAPI()
    app.add_middleware(qw.asgi, gate=qw.gate(name="http", size=100))
    app.add_middleware(BackpressureMiddleware)
    app.add_middleware(LogMiddleware, slow_seconds=None)
    app.mount("/metrics", qw.metrics_app())
    return app


def outside(qw: QuickWins) -> list[App]:
    """Services with everything outside."""
    return [
        qw.asgi(Starlette()),
        qw.asgi(Litestar([])),
        LogMiddleware(BackpressureMiddleware(Litestar([]))),
        Lifespan(qw.asgi(FastAPI()), lambda: qw),
    ]
