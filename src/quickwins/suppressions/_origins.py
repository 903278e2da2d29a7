"""Tells a service's own code from that of others."""

from __future__ import annotations

import os
import site
import sysconfig
from pathlib import Path

FIRST_PARTY, THIRD_PARTY = "first_party", "third_party"


def origin(file: str, first_party: tuple[str, ...]) -> tuple[str, str]:
    """`first_party`, or `third_party` and the name of the package.

    Args:
        file: Its name, as in a code object.
        first_party: Folders of the service's own code, each ending with a separator; empty means everything except
            Python itself and installed packages.
    """
    path = os.path.abspath(file)  # noqa: PTH100 -- compared as text; until=never
    if any(path.startswith(one) for one in first_party):
        return FIRST_PARTY, ""
    python = sysconfig.get_paths()
    for folder in (*site.getsitepackages(), site.getusersitepackages(), python["purelib"], python["platlib"]):
        if path.startswith(folder + os.sep):
            return THIRD_PARTY, Path(path).relative_to(folder).parts[0].removesuffix(".py")
    if path.startswith(python["stdlib"] + os.sep):
        return THIRD_PARTY, "python"
    return (THIRD_PARTY, "other") if first_party or file.startswith("<") else (FIRST_PARTY, "")
