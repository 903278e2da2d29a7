"""What the API reference shows that the source says in another way; an extension of griffe, which reads it.

- An `Example:` is code, and is shown as code.
- A default that is a name (`target_seconds=_RULE.target_seconds`) is shown as the value that a caller gets.
- What each knob of a rule does is in its docstring at run time.
- An enumeration's members are shown although they have no docstrings: their values are what users read and write.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from textwrap import dedent
from typing import Any

import griffe


class ReferenceExtension(griffe.Extension):
    """Loaded by mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Make an example of the docstring a block of code."""
        if obj.docstring is None:
            return
        head, found, example = obj.docstring.value.partition("\nExample:\n")
        if found:
            code, gap, rest = example.partition("\n\n")
            obj.docstring.value = f"{head}\n```python\n{dedent(code)}\n```\n{gap}{rest}"

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Replace the expressions of defaults by their values."""
        named = [
            one for one in func.parameters if isinstance(one.default, (griffe.ExprName, griffe.ExprAttribute))
        ]
        if named:
            defaults = inspect.signature(_found(func.path)).parameters
            for parameter in named:
                parameter.default = repr(defaults[parameter.name].default)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Give an enumeration's members docstrings, and a rule the one with its knobs."""
        if any(str(base) == "Checked" for base in cls.bases) and cls.docstring is not None:
            cls.docstring.value = inspect.getdoc(_found(cls.path)) or ""
        if any(str(base).endswith("Enum") for base in cls.bases):
            for member in cls.attributes.values():
                if member.docstring is None and member.name.isupper():
                    member.docstring = griffe.Docstring(f"`{member.value}`", parent=member)


def _found(path: str) -> Any:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            found = sys.modules.get(module) or import_module(module)
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            found = inspect.getattr_static(found, name) if inspect.isclass(found) else getattr(found, name)
        return getattr(found, "__func__", found)
    raise LookupError(path)
