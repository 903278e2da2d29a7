"""The code cells of a Jupyter notebook."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from quickwins.suppressions.scan.lexer import Unparseable

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = re.compile(r"^(?P<indent>[ \t]*)(?:[%!?]{1,2}\w.*|[\w.]+\?{1,2}[ \t]*)$", re.MULTILINE)


def cells(text: str) -> Iterator[tuple[int, str]]:
    """The number of each code cell, from 1 and counting all cells, and its Python, with IPython's own lines blanked.

    Raises:
        Unparseable: It is not a notebook.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Unparseable(f"it is not a notebook: {error}", getattr(error, "lineno", 1)) from error
    found = document.get("cells") if isinstance(document, dict) else None
    for number, cell in enumerate(found if isinstance(found, list) else (), start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        given = cell.get("source", "")
        source = "".join(map(str, given)) if isinstance(given, list) else str(given)
        if not source.lstrip().startswith("%%"):
            yield number, _MAGIC.sub(r"\g<indent>", source.replace("\r\n", "\n"))
