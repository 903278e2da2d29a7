"""Runs Python from its standard input as a file would run, with `await` allowed at its top level.

python run.py NAME:LINE < code      what goes wrong is reported at its own line of NAME
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from types import FunctionType, ModuleType


def main(place: str) -> None:
    name, _, line = place.rpartition(":")
    text = "\n" * int(line) + sys.stdin.read()
    code = compile(text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    module = sys.modules["__main__"] = ModuleType("__main__")
    sys.path[0] = ""
    returned = FunctionType(code, vars(module))()
    if inspect.iscoroutine(returned):
        asyncio.run(returned)


if __name__ == "__main__":
    main(sys.argv[1])
