"""What a migration's file may say, as plain data: index statements, and the checks of a `.verify.sql`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

MAX_NAME_BYTES = 63
"""`NAMEDATALEN - 1`: the server cuts longer names, and so does the parser."""


def quoted(identifier: str) -> str:
    """`identifier` in quotes, as SQL text."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it stands in a file, or as the server has it.

    Attributes:
        name: Without its schema.
        schema: Empty: whatever the search path says.
    """

    name: str
    schema: str = ""

    def __str__(self) -> str:
        return ".".join(filter(None, (self.schema, self.name)))

    @property
    def sql(self) -> str:
        """As SQL text, quoted."""
        return ".".join(quoted(part) for part in (self.schema, self.name) if part)


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """`CREATE INDEX`.

    Attributes:
        line: Of the file.
        text: As the parser writes it, so that spaces and comments do not count.
        index: Its name; the schema is the table's.
        table: What it is on.
        unique: Whether it is `UNIQUE`.
        concurrently: Whether the file says so.
        only: Whether it is `ON ONLY`.
        definition: From `USING` up to a tablespace.
        tablespace: ` TABLESPACE x`, or empty.
        where: ` WHERE …`, or empty.
        whole_row: Whether it may be on the table's whole row, as `f(t)`: then nothing like it can be made on a copy.
    """

    line: int
    text: str
    index: Name
    table: Name
    unique: bool
    concurrently: bool
    only: bool
    definition: str
    tablespace: str
    where: str
    whole_row: bool = False

    def on(
        self,
        table: Name,
        *,
        index: Name | None = None,
        concurrently: bool = False,
        only: bool = False,
    ) -> str:
        """The statement for `table`, another one or another partition of it, as SQL text.

        Args:
            table: What to put it on.
            index: Its name there; by default its own.
            concurrently: Whether to build it `CONCURRENTLY`.
            only: Whether it is for a partitioned table alone, without its partitions.
        """
        words = ["CREATE", "UNIQUE" if self.unique else "", "INDEX", "CONCURRENTLY" if concurrently else ""]
        words += [
            quoted((index or self.index).name),
            "ON",
            "ONLY" if only else "",
            table.sql,
            self.definition,
        ]
        return " ".join(filter(None, words)) + self.tablespace + self.where


@dataclass(frozen=True, slots=True)
class DropIndex:
    """`DROP INDEX` of one index."""

    line: int
    text: str
    index: Name
    concurrently: bool
    missing_ok: bool


@dataclass(frozen=True, slots=True)
class Reindex:
    """`REINDEX INDEX CONCURRENTLY` or `REINDEX TABLE CONCURRENTLY`; `target` is the index or the table."""

    line: int
    text: str
    target: Name
    of_table: bool


@dataclass(frozen=True, slots=True)
class AttachIndex:
    """`ALTER INDEX parent ATTACH PARTITION child`."""

    line: int
    text: str
    parent: Name
    child: Name


Statement = CreateIndex | DropIndex | Reindex | AttachIndex


@dataclass(frozen=True, slots=True)
class Check:
    """A query of a `.verify.sql` whose plan must use an index.

    Attributes:
        line: Of its `PREPARE`.
        name: Of the prepared statement.
        indexes: What `-- expect-index:` names.
        prepare: `PREPARE …`.
        execute: `EXECUTE …`, with its arguments.
    """

    line: int
    name: str
    indexes: tuple[str, ...]
    prepare: str
    execute: str


def name_on(partition: Name, index: Name) -> Name:
    """What the index `index` of a partitioned table is called on `partition`: the same at each run."""
    whole = f"{partition.name}_{index.name}"
    if len(whole.encode()) <= MAX_NAME_BYTES:
        return replace(partition, name=whole)
    short = hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()
    room = MAX_NAME_BYTES - len(short) - 1
    return replace(partition, name=whole.encode()[:room].decode(errors="ignore") + "_" + short)
