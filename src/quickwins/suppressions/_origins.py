"""Whose code a file is."""

from __future__ import annotations

import os
import site
import sysconfig
from pathlib import Path

FIRST_PARTY, THIRD_PARTY = "first_party", "third_party"


def origin(file: str, first_party: tuple[str, ...]) -> tuple[str, str]:
    """`first_party`, or `third_party` and the package.

    Args:
        file: As a code object names it.
        first_party: Folders of one's own code, each with a separator at its end; none: all but Python and what is
            installed.
    """
    path = os.path.abspath(file)  # noqa: PTH100 -- compared as text; until=2027-12-31
    if any(path.startswith(one) for one in first_party):
        return FIRST_PARTY, ""
    python = sysconfig.get_paths()
    for folder in (*site.getsitepackages(), site.getusersitepackages(), python["purelib"], python["platlib"]):
        if path.startswith(folder + os.sep):
            return THIRD_PARTY, Path(path).relative_to(folder).parts[0].removesuffix(".py")
    if path.startswith(python["stdlib"] + os.sep):
        return THIRD_PARTY, "python"
    return (THIRD_PARTY, "other") if first_party or file.startswith("<") else (FIRST_PARTY, "")
