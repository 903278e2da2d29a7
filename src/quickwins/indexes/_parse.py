"""SQL text into statements, by PostgreSQL's own parser (libpg_query); what is no index statement is refused."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from quickwins.core.errors import needs_extra
from quickwins.indexes._statements import (
    AttachIndex,
    Check,
    CreateIndex,
    DropIndex,
    Name,
    Reindex,
    Statement,
    quoted,
)
from quickwins.indexes.errors import MigrationError

with needs_extra("indexes"):
    # Imported by name: their stubs have fields called `def` and `None`, and mypy would stop with an error in our users' projects.
    postgast: Any = import_module("postgast")
    tree: Any = import_module("postgast.pg_query_pb2")

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = (
    "allowed are CREATE INDEX, DROP INDEX, REINDEX INDEX or TABLE, ALTER INDEX … ATTACH PARTITION, "
    "and SET of the session's time-outs"
)
TIMEOUTS = frozenset(
    {
        "client_connection_check_interval",
        "deadlock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "statement_timeout",
        "transaction_timeout",
    }
)
EXPECT = "-- expect-index:"
_WAY_BACK = re.compile(
    r"^[ \t]*--[ \t]*(?:\+goose[ \t]+down|\+migrate[ \t]+down|migrate:down)\b", re.IGNORECASE | re.MULTILINE
)
"""What stands, in one file with the way there, above the way back of goose, sql-migrate and dbmate: to SQL it is a comment."""
_UNSEEN = re.compile("[\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]")
"""Looks like a space or like nothing, and belongs to a name: pasted from a page, as `CONCURRENTLY` and the name may be one then."""


class Source:
    """One file's text, cut into statements.

    Attributes:
        path: For messages.
    """

    def __init__(self, text: str, path: str) -> None:
        """Parse it.

        Raises:
            MigrationError: It is not SQL, or has the way back in it, too.
        """
        self.path = path
        if back := _WAY_BACK.search(text):
            self.refuse(
                text.count("\n", 0, back.start()) + 1,
                f"{back[0].strip()}: the way back has a file of its own, NAME.rollback.sql; here it would be run after the rest",
            )
        if "\0" in text:
            self.refuse(text.count("\n", 0, text.index("\0")) + 1, "a byte 0: nothing behind it would be run")
        self._bytes = text.encode()
        try:
            self._parsed = postgast.parse(text)
        except postgast.PgQueryError as error:
            at = text[: max(0, error.cursorpos - 1)]
            line = at.count("\n") + 1
            where = text.splitlines()[line - 1].strip() if text.strip() else ""
            hint = ": psql's own commands are not SQL" if where.startswith("\\") else f": {where}"
            raise MigrationError(f"{path}:{line}: {error.message}{hint}") from error

    def refuse(self, line: int, what: str) -> NoReturn:
        """Raise.

        Raises:
            MigrationError: Always.
        """
        raise MigrationError(f"{self.path}:{line}: {what}")

    def __iter__(self) -> Iterator[tuple[int, str, str, Any]]:
        """Line, text as the parser writes it, kind and node of each statement; `SET` of a time-out is left out."""
        for raw in self._parsed.stmts:
            kind = raw.stmt.WhichOneof("node") or ""
            node = getattr(raw.stmt, kind)
            line = self._bytes.count(b"\n", 0, raw.stmt_location) + 1
            text = _text(raw.stmt)
            if kind == "variable_set_stmt":
                if node.name not in TIMEOUTS or node.is_local:
                    self.refuse(
                        line,
                        f"{text}: only time-outs of the session may be set: {', '.join(sorted(TIMEOUTS))}",
                    )
                continue
            yield line, text, kind, node

    def comments_before(self, line: int) -> list[str]:
        """The comment lines that stand directly above `line`."""
        found = []
        for above in reversed(self._bytes.decode().splitlines()[: line - 1]):
            if not above.strip().startswith("--"):
                break
            found.append(above.strip())
        return found[::-1]

    def digest_text(self) -> str:
        """All statements as the parser writes them, `SET` included."""
        return str(postgast.deparse(self._parsed)) if self._parsed.stmts else ""


def statements(source: Source) -> list[Statement]:
    """The index statements of a file, in order.

    Raises:
        MigrationError: It says something else, or says it in a way that cannot be run again.
    """
    found: list[Statement] = []
    names: dict[str, int] = {}
    for line, text, kind, node in source:
        one: Statement
        if kind == "index_stmt":
            one = _create(source, line, text, node)
            if (first := names.setdefault(one.index.name, line)) != line:
                source.refuse(line, f"the index {one.index} is in line {first} already")
        elif kind == "drop_stmt" and node.remove_type == tree.OBJECT_INDEX:
            one = _drop(source, line, text, node)
        elif kind == "reindex_stmt":
            one = _reindex(source, line, text, node)
        elif kind == "alter_table_stmt" and _attaches(node):
            one = AttachIndex(
                line,
                text,
                _name(node.relation),
                _name(getattr(node.cmds[0].alter_table_cmd, "def").partition_cmd.name),
            )
        else:
            source.refuse(line, f"{text.split(' AS ')[0][:80]}: not an index statement; {ALLOWED}")
        found.append(one)
    return found


def _name(relation: Any) -> Name:
    return Name(relation.relname, relation.schemaname)


def _create(source: Source, line: int, text: str, node: Any) -> CreateIndex:
    if not node.idxname:
        source.refuse(line, "an index needs a name: without one each run would add another index")
    for name in (node.idxname, node.relation.relname):
        if _UNSEEN.search(name):
            source.refuse(line, f"{name!a}: there is a sign in the name that nobody sees; type the line anew")
    if node.relation.catalogname:
        source.refuse(line, "name the table without its database")
    bare = tree.IndexStmt()
    bare.CopyFrom(node)
    bare.ClearField("concurrent")
    bare.ClearField("if_not_exists")
    bare.ClearField("unique")
    bare.ClearField("table_space")
    bare.idxname = "i"
    whole_row = _unqualify(bare, node.relation)
    bare.relation.CopyFrom(tree.RangeVar(relname="t", inh=True, relpersistence="p"))
    whole = _deparsed(bare)
    bare.ClearField("where_clause")
    head = _deparsed(bare)
    return CreateIndex(
        line=line,
        text=text,
        index=Name(node.idxname, node.relation.schemaname),
        table=_name(node.relation),
        unique=node.unique,
        concurrently=node.concurrent,
        only=not node.relation.inh,
        definition=head.removeprefix("CREATE INDEX i ON t "),
        tablespace=f" TABLESPACE {quoted(node.table_space)}" if node.table_space else "",
        where=whole.removeprefix(head),
        whole_row=whole_row,
    )


def _unqualify(node: Any, table: Any) -> bool:
    """Take the table's name off the columns below `node`: a copy and a partition are called something else.

    Returns:
        Whether the table's name stands by itself, for the whole row.
    """
    whole_row = False
    for field, value in node.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        for below in (value,) if hasattr(value, "ListFields") else value:
            if isinstance(below, tree.ColumnRef):
                *before, last = below.fields
                named = [one.string.sval for one in before[-1:] or [last]] == [table.relname]
                if named and before and last.HasField("string"):
                    del below.fields[:-1]
                else:
                    whole_row |= named
            else:
                whole_row |= _unqualify(below, table)
    return whole_row


def _deparsed(index: Any) -> str:
    return _text(tree.Node(index_stmt=index))


def _text(node: Any) -> str:
    """One statement as the parser writes it."""
    return str(postgast.deparse(tree.ParseResult(stmts=[tree.RawStmt(stmt=node)])))


def _drop(source: Source, line: int, text: str, node: Any) -> DropIndex:
    if len(node.objects) != 1 or node.behavior == tree.DROP_CASCADE:
        source.refuse(line, f"{text}: drop one index in each statement, without CASCADE")
    parts = [item.string.sval for item in node.objects[0].list.items]
    name = Name(parts[-1], parts[-2] if len(parts) > 1 else "")
    return DropIndex(line, text, name, concurrently=node.concurrent, missing_ok=node.missing_ok)


def _reindex(source: Source, line: int, text: str, node: Any) -> Reindex:
    if node.kind not in {tree.REINDEX_OBJECT_INDEX, tree.REINDEX_OBJECT_TABLE}:
        source.refuse(line, f"{text}: only REINDEX INDEX and REINDEX TABLE are allowed")
    if not any(one.def_elem.defname == "concurrently" for one in node.params):
        source.refuse(line, f"{text}: it would block writers: REINDEX … CONCURRENTLY")
    return Reindex(line, text, _name(node.relation), of_table=node.kind == tree.REINDEX_OBJECT_TABLE)


def _attaches(node: Any) -> bool:
    return (
        node.objtype == tree.OBJECT_INDEX
        and len(node.cmds) == 1
        and node.cmds[0].alter_table_cmd.subtype == tree.AT_AttachPartition
    )


def checks(source: Source) -> list[Check]:
    """The queries of a `.verify.sql`, with the indexes that they must use.

    Raises:
        MigrationError: It is not made of `PREPARE`, `EXPLAIN EXECUTE`, `DEALLOCATE` and `SET` of time-outs.
    """
    prepared: dict[str, tuple[int, str, tuple[str, ...]]] = {}
    found: list[Check] = []
    for line, text, kind, node in source:
        if kind == "prepare_stmt":
            if node.query.WhichOneof("node") != "select_stmt":
                source.refuse(line, f"PREPARE {node.name}: only a SELECT can be verified")
            comments = source.comments_before(line)
            expected = tuple(one.removeprefix(EXPECT).strip() for one in comments if one.startswith(EXPECT))
            prepared[node.name] = (line, text, expected)
        elif kind == "explain_stmt" and node.query.WhichOneof("node") == "execute_stmt":
            run = node.query.execute_stmt
            if run.name not in prepared:
                source.refuse(line, f"EXECUTE {run.name}: there is no PREPARE {run.name} above")
            at, prepare, expected = prepared[run.name]
            execute = _text(node.query)
            found.append(Check(at, run.name, expected, prepare, execute))
        elif kind != "deallocate_stmt":
            source.refuse(
                line,
                f"{text[:80]}: a .verify.sql is made of PREPARE, EXPLAIN EXECUTE, DEALLOCATE and SET of time-outs, "
                f"with `{EXPECT} NAME` above each PREPARE",
            )
    return found
