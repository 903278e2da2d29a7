"""A migration: a file of index statements, how it is taken back, and how it is verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quickwins.core.digest import digest
from quickwins.indexes._parse import Source, checks, statements
from quickwins.indexes._statements import CreateIndex, DropIndex
from quickwins.indexes.errors import MigrationError

if TYPE_CHECKING:
    import os

    from quickwins.indexes._statements import Check, Statement


@dataclass(frozen=True, slots=True)
class Migration:
    """Three files that belong together, parsed and found to be safe to run.

    Attributes:
        name: The file's name without `.sql`; the history knows it by that.
        path: The file.
        digest: Of its statements: spaces, line ends and comments do not count.
        statements: What it does, in order.
        rollback: What its `.rollback.sql` does.
        checks: The queries of its `.verify.sql`.
    """

    name: str
    path: Path
    digest: str
    statements: tuple[Statement, ...]
    rollback: tuple[Statement, ...]
    checks: tuple[Check, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Migration:
        """Read `path`, and the `.rollback.sql` and `.verify.sql` beside it.

        Raises:
            MigrationError: A file is missing, is not SQL, or says what is refused: where, and what is allowed.
            MissingExtraError: The extra `indexes` is not installed.
        """
        file = Path(path)
        if file.suffix != ".sql" or file.stem.endswith((".rollback", ".verify")):
            raise MigrationError(
                f"{file}: name the migration itself, NAME.sql; the files beside it are found by its name"
            )
        deploy = _source(file)
        rollback = statements(_source(file.with_name(f"{file.stem}.rollback.sql")))
        verify = _source(file.with_name(f"{file.stem}.verify.sql"))
        found = statements(deploy)
        if not found:
            raise MigrationError(f"{file}: there is no index statement in it")
        for one in rollback:
            if not isinstance(one, DropIndex):
                raise MigrationError(
                    f"{file.stem}.rollback.sql:{one.line}: {one.text}: only DROP INDEX takes a migration back"
                )
        made = {one.index.name for one in found if isinstance(one, CreateIndex)}
        verified = checks(verify)
        for check in verified:
            if not check.indexes:
                verify.refuse(
                    check.line, f"PREPARE {check.name}: say `-- expect-index: NAME` in the line above"
                )
            for name in check.indexes:
                if name not in made:
                    verify.refuse(
                        check.line,
                        f"the migration makes no index {name}; it makes: {', '.join(sorted(made)) or 'none'}",
                    )
        return cls(
            name=file.stem,
            path=file,
            digest=digest(deploy.digest_text(), size_bytes=16).hex(),
            statements=tuple(found),
            rollback=tuple(rollback),
            checks=tuple(verified),
        )


def _source(file: Path) -> Source:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MigrationError(
            f"{file}: there is no such file; a migration is NAME.sql, NAME.rollback.sql and NAME.verify.sql"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    return Source(text.replace("\r\n", "\n"), str(file))
