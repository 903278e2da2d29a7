"""The standard library's logging, taken over while ours is on and given back as it was.

One handler of ours on the root logger stands for all others; loggers that had handlers of their own pass their records on
to it. What was there is remembered for each logger, once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class _Was:
    """How a logger was."""

    logger: logging.Logger
    handlers: tuple[logging.Handler, ...]
    propagate: bool
    level: int


class TakenHandler(logging.Handler):
    """Hands each record on. It takes no lock: what it calls needs none, and a fork could leave one locked."""

    def __init__(self, receive: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._receive = receive

    def handle(self, record: logging.LogRecord) -> bool:
        """See `logging.Handler`; there are no filters."""
        self._receive(record)
        return True


class Takeover:
    """The state of one takeover."""

    def __init__(self, receive: Callable[[logging.LogRecord], None]) -> None:
        self._handler = TakenHandler(receive)
        self._were: dict[str, _Was] = {}
        self._root = logging.getLogger()

    def install(self, level: int) -> None:
        """Take over from `level` on. Called again, it takes the new level, and loggers that have got handlers since."""
        self._remember(self._root)
        self._root.handlers[:] = [self._handler]
        self._root.setLevel(level)
        for logger in list(logging.root.manager.loggerDict.values()):
            # A null handler shows nothing: a logger with no other stays as silent, or as loud, as it was.
            if isinstance(logger, logging.Logger) and any(
                not isinstance(one, logging.NullHandler) for one in logger.handlers
            ):
                self._remember(logger)
                logger.handlers[:] = []
                logger.propagate = True

    def uninstall(self) -> None:
        """Restore everything. Handlers that others have added meanwhile stay."""
        for was in self._were.values():
            added = [
                one for one in was.logger.handlers if one is not self._handler and one not in was.handlers
            ]
            was.logger.handlers[:] = [*was.handlers, *added]
            was.logger.propagate = was.propagate
            if was.logger is self._root:
                was.logger.setLevel(was.level)
        self._were.clear()

    def _remember(self, logger: logging.Logger) -> None:
        was = self._were.get(logger.name)
        found = [one for one in logger.handlers if one is not self._handler]
        if was is None:
            self._were[logger.name] = _Was(logger, tuple(found), logger.propagate, logger.level)
        elif found:  # set up anew since, as uvicorn does at its start
            self._were[logger.name] = _Was(
                logger,
                (*was.handlers, *(one for one in found if one not in was.handlers)),
                was.propagate,
                was.level,
            )
