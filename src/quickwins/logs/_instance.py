"""Which of a service's processes this is, after OpenTelemetry's conventions: `service.instance.id`.

Workers share a service's name, and each process counts its own lines (`seq`). Only where a line says whose number it bears
is a gap in the numbers a loss.
"""

from __future__ import annotations

import os

INSTANCE = "{host}:{pid}"


def named(instance: str) -> str:
    """`instance`, with the machine's name for `{host}` and this process's number for `{pid}`."""
    return instance.replace("{host}", os.uname().nodename).replace("{pid}", str(os.getpid()))
