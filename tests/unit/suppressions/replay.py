"""Generates histories of a small code base with known truth: which commit adds a suppression, and which only looks as if.

Each commit changes a few modules and says how many suppressions in it are really new. So does a replay that compares each
commit with the baseline of the one before tell noise (unchanged, but reported) from misses (new, but let through).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

NOUNS = ["order", "basket", "price", "stock", "customer", "voucher", "parcel", "invoice", "refund", "label", "route", "scan"]  # fmt: skip
VERBS = [
    "load",
    "store",
    "check",
    "merge",
    "split",
    "send",
    "parse",
    "print",
    "count",
    "close",
    "retry",
    "index",
]
DIRECTIVES = ["noqa: S106", "noqa: E501", "type: ignore[arg-type]", "type: ignore[index]", "noqa", "pragma: no cover", "nosec B105"]  # fmt: skip


@dataclass
class Function:
    """A function with statements; each a line of code and a comment, or none."""

    name: str
    body: list[tuple[str, str]]
    swallows: str = ""

    def text(self, indent: str = "    ") -> str:
        lines = [f"def {self.name}(first, second=None):"]
        lines += [f"{indent}{code}{'  # ' + comment if comment else ''}" for code, comment in self.body]
        if self.swallows:
            lines += [f"{indent}try:", f"{indent * 2}{self.swallows}", f"{indent}except Exception:"]
            lines += [f"{indent * 2}pass"]
        return "\n".join([*lines, f"{indent}return first"])


@dataclass
class Module:
    """A module: imports, a table with a comment for each row, functions."""

    header: str
    imports: list[tuple[str, str]]
    rows: list[tuple[str, str]]
    functions: list[Function]
    indent: str = "    "

    def text(self) -> str:
        parts = [f"# {self.header}\n"] if self.header else []
        parts += ["".join(f"{code}{'  # ' + comment if comment else ''}\n" for code, comment in self.imports)]
        if self.rows:
            rows = "".join(
                f"{self.indent}{code},{'  # ' + comment if comment else ''}\n" for code, comment in self.rows
            )
            parts.append(f"TABLE = [\n{rows}]\n")
        parts += [f"\n{one.text(self.indent)}\n" for one in self.functions]
        return "\n".join(parts)


@dataclass
class Commit:
    """What a commit leaves behind.

    Attributes:
        kind: What it does.
        files: The text of each file afterwards.
        new: How many suppressions it adds.
        gone: How many it removes.
    """

    kind: str
    files: dict[str, str]
    new: int = 0
    gone: int = 0


@dataclass
class History:
    """A code base that changes from commit to commit; the same for the same seed."""

    seed: int
    modules: dict[str, Module] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        for name in ("orders", "stock", "mail", "web/views"):
            self.modules[f"{name}.py"] = self.module()

    # Material: no two statements are the same by chance.

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def statement(self) -> str:
        verb, noun, other = self.rng.choice(VERBS), self.rng.choice(NOUNS), self.rng.choice(NOUNS)
        n = self.fresh()
        return self.rng.choice(
            [
                f'{noun}_{n} = {verb}_{other}(first, second, key="{noun} {n}")',
                f"first.{verb}_{noun}_{n}({other}=second)",
                f'{verb}({noun}_{n}["{other}"], first)',
            ]
        )

    def comment(self) -> str:
        return self.rng.choice(DIRECTIVES)

    def function(self) -> Function:
        body = [
            (self.statement(), self.comment() if self.rng.random() < 0.35 else "")
            for _ in range(self.rng.randint(2, 6))
        ]
        swallows = f"first.{self.rng.choice(VERBS)}_{self.fresh()}()" if self.rng.random() < 0.3 else ""
        return Function(f"{self.rng.choice(VERBS)}_{self.rng.choice(NOUNS)}_{self.fresh()}", body, swallows)

    def import_(self) -> str:
        return f"from shop.{self.rng.choice(NOUNS)}_{self.fresh()} import {self.rng.choice(VERBS)}_{self.fresh()}"

    def module(self) -> Module:
        imports = [(self.import_(), "noqa: F401" if self.rng.random() < 0.4 else "") for _ in range(4)]
        rows = [
            (f'"{self.rng.choice(NOUNS)} {self.fresh()}"', "noqa: E241" if self.rng.random() < 0.6 else "")
            for _ in range(4)
        ]
        header = self.rng.choice(["", "ruff: noqa: E501", "mypy: ignore-errors"])
        return Module(header, imports, rows, [self.function() for _ in range(4)])

    # Picking.

    def one(self) -> Module:
        return self.modules[self.rng.choice(sorted(self.modules))]

    def place(self, wanted: Callable[[str], bool]) -> tuple[list[tuple[str, str]], int] | None:
        """A list of statements and a number in it, whose comment is wanted."""
        found = [
            (function.body, number)
            for module in self.modules.values()
            for function in module.functions
            for number, (_, comment) in enumerate(function.body)
            if wanted(comment)
        ]
        return self.rng.choice(found) if found else None

    # What a commit may do: each gives how many suppressions are new, and how many are gone.

    def add_statement(self) -> tuple[int, int]:
        body = self.rng.choice(self.one().functions).body
        body.insert(self.rng.randint(0, len(body)), (self.statement(), ""))
        return 0, 0

    def add_function(self) -> tuple[int, int]:
        module = self.one()
        function = self.function()
        function.body = [(code, "") for code, _ in function.body]
        function.swallows = ""
        module.functions.insert(self.rng.randint(0, len(module.functions)), function)
        return 0, 0

    def edit_statement(self) -> tuple[int, int]:
        found = self.place(bool)
        if found:
            body, number = found
            code, comment = body[number]
            body[number] = (re.sub(r"\)$", f", limit={self.fresh()})", code), comment)
        return 0, 0

    def add_row(self) -> tuple[int, int]:
        rows = self.one().rows
        rows.insert(self.rng.randint(0, len(rows)), (f'"{self.rng.choice(NOUNS)} {self.fresh()}"', ""))
        return 0, 0

    def reindent(self) -> tuple[int, int]:
        module = self.one()
        module.indent = "  " if len(module.indent) == 4 else "    "
        return 0, 0

    def sort_imports(self) -> tuple[int, int]:
        for module in self.modules.values():
            module.imports.sort(key=lambda one: (self.rng.random(), one))
        return 0, 0

    def rename_function(self) -> tuple[int, int]:
        self.rng.choice(self.one().functions).name = f"{self.rng.choice(VERBS)}_{self.fresh()}"
        return 0, 0

    def move_function(self) -> tuple[int, int]:
        old, new = self.one(), self.one()
        if old is not new and len(old.functions) > 1:
            new.functions.append(old.functions.pop(self.rng.randrange(len(old.functions))))
        return 0, 0

    def move_module(self) -> tuple[int, int]:
        path = self.rng.choice(sorted(self.modules))
        self.modules[f"area_{self.fresh()}/{path.rpartition('/')[2]}"] = self.modules.pop(path)
        return 0, 0

    def split_module(self) -> tuple[int, int]:
        path = self.rng.choice(sorted(self.modules))
        old = self.modules[path]
        half = len(old.functions) // 2
        if half < 1:
            return 0, 0
        part = Module("", [(self.import_(), "")], [], old.functions[half:], old.indent)
        del old.functions[half:]
        old.imports.append((self.import_(), ""))
        self.modules[f"{path.removesuffix('.py')}_{self.fresh()}.py"] = part
        return 0, 0

    def change_first_import(self) -> tuple[int, int]:
        imports = self.one().imports
        imports.insert(0, (self.import_(), ""))
        return 0, 0

    def narrow(self) -> tuple[int, int]:
        found = self.place(lambda comment: comment == "noqa")
        if found:
            body, number = found
            body[number] = (body[number][0], "noqa: S106")
        return 0, 0

    def widen(self) -> tuple[int, int]:
        found = self.place(lambda comment: comment.startswith("noqa: "))
        if not found:
            return 0, 0
        body, number = found
        code, comment = body[number]
        body[number] = (code, self.rng.choice(["noqa", f"{comment},S{300 + self.fresh()}"]))
        return 1, 1

    def suppress(self) -> tuple[int, int]:
        found = self.place(lambda comment: not comment)
        if not found:
            return 0, 0
        body, number = found
        body[number] = (body[number][0], self.comment())
        return 1, 0

    def fix(self) -> tuple[int, int]:
        found = self.place(bool)
        if not found:
            return 0, 0
        body, number = found
        body[number] = (body[number][0], "")
        return 0, 1

    def swap(self) -> tuple[int, int]:
        """Fix one, and suppress the same of another statement of the same function that looks alike."""
        found = self.place(bool)
        if not found:
            return 0, 0
        body, number = found
        code, comment = body[number]
        # Beside it nobody could tell which of the two is the old one.
        apart = [at for at in (0, len(body)) if not number <= at <= number + 1]
        if not apart:
            return 0, 0
        body[number] = (code, "")
        body.insert(self.rng.choice(apart), (code, comment))
        return 1, 1

    def swap_rows(self) -> tuple[int, int]:
        rows = self.one().rows
        on = [n for n, (_, comment) in enumerate(rows) if comment]
        off = [n for n, (_, comment) in enumerate(rows) if not comment]
        if not on or not off:
            return 0, 0
        first, second = self.rng.choice(on), self.rng.choice(off)
        rows[second] = (rows[second][0], rows[first][1])
        rows[first] = (rows[first][0], "")
        return 1, 1

    def swap_between_functions(self) -> tuple[int, int]:
        """Fix one, and add the same statement with the same comment to another function."""
        found = self.place(bool)
        if not found:
            return 0, 0
        body, number = found
        other = self.rng.choice(self.one().functions).body
        if other is body:
            return 0, 0
        other.append(body[number])
        body[number] = (body[number][0], "")
        return 1, 1

    def swallow(self) -> tuple[int, int]:
        functions = [one for one in self.one().functions if not one.swallows]
        if not functions:
            return 0, 0
        self.rng.choice(functions).swallows = f"first.{self.rng.choice(VERBS)}_{self.fresh()}()"
        return 1, 0

    QUIET = (
        add_statement, add_function, edit_statement, add_row, reindent, sort_imports, rename_function, move_function,
        move_module, split_module, change_first_import, narrow,
    )  # fmt: skip
    LOUD = (widen, suppress, swap, swap_rows, swap_between_functions, swallow)

    def commits(self, number: int) -> Iterator[Commit]:
        """So many commits, each of which does one or two things."""
        for _ in range(number):
            kinds, new, gone = [], 0, 0
            acts = [self.rng.choice((*self.QUIET, *self.LOUD, History.fix))]
            if self.rng.random() < 0.3:
                acts.append(
                    self.rng.choice((History.add_statement, History.add_row, History.change_first_import))
                )
            for act in acts:
                more = act(self)
                new, gone = new + more[0], gone + more[1]
                kinds.append(act.__name__)
            yield Commit(" and ".join(kinds), self.files(), new, gone)

    def files(self) -> dict[str, str]:
        return {path: module.text() for path, module in self.modules.items()}
