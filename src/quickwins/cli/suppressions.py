"""`quickwins suppressions`: audit a code base, hold it to its baseline, and allow exceptions."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import counted, note
from quickwins.cli.suppressions_config import configured, write_whole
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.suppressions import Allowance, AuditConfig, Baseline, Check, Format, Report, audit, rendered
from quickwins.suppressions.errors import OutdatedBaselineError
from quickwins.suppressions.revisions import Base, base_of
from quickwins.suppressions.scan.directives import is_too_far
from quickwins.suppressions.settings import allowed_text, nearest_pyproject
from quickwins.suppressions.summary import as_json, shares, summarised

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATHS", help="Files and folders. Default: this folder.", show_default=False),
]
BaselineOption = Annotated[
    Path,
    typer.Option("--baseline", metavar="FILE", help="The file that lists the suppressions that may stay."),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="text for people, json for programs, sarif for code scanning, github for annotations in a workflow.",
    ),
]
PyprojectOption = Annotated[
    Path | None,
    typer.Option(
        "--pyproject",
        metavar="FILE",
        help="The pyproject.toml with [tool.quickwins.suppressions]; paths are relative to its folder. Default: the "
        "nearest one in this folder or above.",
        show_default=False,
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The folder that paths in findings and in the baseline are relative to: where CI looks. Default: that of "
        "the pyproject.toml.",
        show_default=False,
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="CHECK", help="Only these checks count.", show_default=False),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="CHECK[:PATH]",
        help="This check doesn't count; with a path or pattern such as tests/*, not in those files.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="3.N",
        help="The Python that the code is written for, if it is newer than the one that runs this.",
        show_default=False,
    ),
]
DEFAULT_BASELINE = Path("suppressions.baseline")


def build_app() -> typer.Typer:
    """The group `suppressions`."""
    app = typer.Typer(
        help="Find suppressed warnings, and let no new ones in.",
        epilog="Example: quickwins suppressions audit src tests",
        no_args_is_help=True,
    )
    app.command("audit", epilog="Example: quickwins suppressions audit src tests --format sarif")(audit_paths)
    app.command("check", epilog="Example: quickwins suppressions check --base origin/main src tests")(check)
    app.command("summary", epilog="Example: quickwins suppressions summary src tests")(summary)
    app.command(
        "allow",
        epilog="Example: quickwins suppressions allow SUP010 src/app.py::main --reason 'shutting down' --expires 2027-06-30",
    )(allow)
    baseline = typer.Typer(
        help="Create the baseline, or remove from it what is gone.",
        epilog="Example: quickwins suppressions baseline update src tests",
        no_args_is_help=True,
    )
    baseline.command("create", epilog="Example: quickwins suppressions baseline create src tests")(create)
    baseline.command("update", epilog="Example: quickwins suppressions baseline update src tests")(update)
    app.add_typer(baseline, name="baseline")
    return app


def audit_paths(
    paths: PathsArgument = None,
    form: FormatOption = Format.TEXT,
    pyproject: PyprojectOption = None,
    root: RootOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    target: TargetOption = None,
    reasons: Annotated[
        bool,
        typer.Option("--reasons", help="Also list those that lack only a reason and a date (SUP013)."),
    ] = False,
) -> None:
    """List every suppression.

    Looks into Python files, notebooks, Cython, the configuration of linters, type checkers, pytest and coverage, and
    command lines in shell scripts, Dockerfiles, CI files and Makefiles. Nothing is imported or run. Leaves out what git
    ignores, and virtual environments. Exits with 0 if there are none, and with 3 otherwise.
    """
    config = configured(pyproject, root, select, ignore, target)
    report = _audited(paths, config)
    wanted = reasons or Check.UNREASONED in config.select
    shown = [one for one in report.findings if wanted or one.check is not Check.UNREASONED]
    sys.stdout.write(rendered(shown, form))
    _say(report)
    if len(shown) < len(report.findings):
        note(f"{len(report.findings) - len(shown)} have codes and lack only a reason: --reasons lists them")
    _say_unused(report)
    if shown:
        raise typer.Exit(ExitCode.FINDING)


def summary(
    paths: PathsArgument = None,
    baseline: BaselineOption = DEFAULT_BASELINE,
    as_rows: Annotated[bool, typer.Option("--json", help="All counts, for programs.")] = False,
    pyproject: PyprojectOption = None,
    root: RootOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    target: TargetOption = None,
) -> None:
    """Count suppressions, the worst first.

    By check, code, folder and file. Beside each count stands how it has changed since the baseline, if there is one. Always exits with 0.
    """
    report = _audited(paths, configured(pyproject, root, select, ignore, target))
    counts = shares(report, Baseline.load(baseline) if baseline.exists() else None)
    sys.stdout.write(as_json(counts) if as_rows else summarised(counts))
    _say(report)


def check(
    paths: PathsArgument = None,
    baseline: BaselineOption = DEFAULT_BASELINE,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION",
            help="Also compare with the baseline where this work branched off from REVISION, so that editing the list by "
            "hand does not help.",
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Remove from the list what is gone, and follow what has moved.")
    ] = False,
    form: FormatOption = Format.TEXT,
    pyproject: PyprojectOption = None,
    root: RootOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    target: TargetOption = None,
) -> None:
    """Fail if a suppression is new, or gone but listed.

    Exits with 0 if nothing has changed, 3 if a suppression is new or a file cannot be read, 7 if nothing is new but the
    baseline or an allowance lists something that is gone; with `stale = "tell"` in the configuration, or after --fix,
    only new ones fail. Reformatting, editing, moving and renaming code changes nothing.
    """
    known = Baseline.load(baseline)
    config = configured(pyproject, root, select, ignore, target)
    before = Base(None, {}) if base is None else _base(base, baseline, config)
    report = _audited(paths, config)
    _same_paths(known, report, config)
    diff = known.compare(report, base=before.baseline, renamed=before.renamed)
    if fix and (diff.stale or diff.moved):
        write_whole(baseline, known.updated(report, renamed=before.renamed).text())
        note(f"{baseline}: {len(diff.stale)} removed, {len(diff.moved)} moved, edited or narrowed")
    stale = () if fix else diff.stale
    sys.stdout.write(rendered(diff.new, form, stale=stale))
    if diff.moved and not fix:
        note(f"{len(diff.moved)} moved, edited or narrowed; `quickwins suppressions check --fix` records it")
    _say_unused(report)
    _say(report)
    if diff.new:
        note(f"{len(diff.new)} new: remove each, or give it a reason and a date")
        raise typer.Exit(ExitCode.FINDING)
    if stale:
        note(f"{len(stale)} gone: `quickwins suppressions check --fix` removes them from the list")
    if report.unused:
        note("lower or remove the allowances that are not used")
    if (stale or report.unused) and config.stale == "fail":
        raise typer.Exit(ExitCode.STALE)


def create(
    paths: PathsArgument = None,
    baseline: BaselineOption = DEFAULT_BASELINE,
    pyproject: PyprojectOption = None,
    root: RootOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    target: TargetOption = None,
) -> None:
    """Create the baseline from what is there now.

    Refuses if there is one already: a baseline only shrinks.
    """
    report = _audited(paths, configured(pyproject, root, select, ignore, target))
    if baseline.exists():
        raise ConfigError(
            f"{baseline} already exists; `quickwins suppressions baseline update` removes from it what is gone"
        )
    listed = Baseline.of(report)
    write_whole(baseline, listed.text())
    note(f"{baseline}: {counted(len(listed.known), 'suppression')} listed; commit this file")
    _unreadable(report)


def update(
    paths: PathsArgument = None,
    baseline: BaselineOption = DEFAULT_BASELINE,
    pyproject: PyprojectOption = None,
    root: RootOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    target: TargetOption = None,
) -> None:
    """Remove from the baseline what is gone.

    Follows what has moved. Adds nothing: a new suppression stays new.
    """
    known = Baseline.load(baseline)
    config = configured(pyproject, root, select, ignore, target)
    report = _audited(paths, config)
    _same_paths(known, report, config)
    updated = known.updated(report)
    diff = known.compare(report)
    write_whole(baseline, updated.text())
    note(
        f"{baseline}: {len(diff.stale)} removed, {len(diff.moved)} moved, {len(updated.known)} left"
        + (f"; {len(diff.new)} are new and were not added" if diff.new else "")
    )
    _unreadable(report)


def allow(
    check: Annotated[
        str, typer.Argument(metavar="CHECK", help="The number of the check, e.g. SUP010.", show_default=False)
    ],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="The file as findings name it; add ::SCOPE for one function, class or table.",
            show_default=False,
        ),
    ],
    reason: Annotated[
        str, typer.Option(help="Why, for the person who reads it in a year.", show_default=False)
    ],
    expires: Annotated[
        str,
        typer.Option(
            metavar="YYYY-MM-DD|never",
            help="The last day it is valid; `never` for a permanent decision.",
            show_default=False,
        ),
    ],
    at_most: Annotated[int, typer.Option(min=1, help="How many findings it covers.")] = 1,
    pyproject: PyprojectOption = None,
) -> None:
    """Let a suppression stay, with a reason and a date.

    Writes an allowance into [tool.quickwins.suppressions] of pyproject.toml, replacing one for the same check and place.
    """
    file = pyproject or nearest_pyproject()
    if file is None:
        raise ConfigError("there is no pyproject.toml in this folder or above; name one with --pyproject")
    if check.upper() not in set(Check):
        raise ConfigError(f"there is no check {check!r}: they are {min(Check)} to {max(Check)}")
    if not reason.strip():
        raise ConfigError("--reason is empty: say why the suppression may stay")
    where, _, scope = path.partition("::")
    try:
        allowance = Allowance.model_validate(
            {
                "check": check.upper(),
                "path": where,
                "scope": scope,
                "reason": reason,
                "until": expires,
                "at_most": at_most,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "check"
        raise ConfigError(f"{'--expires' if field == 'until' else field}: {first['msg']}") from error
    today = datetime.fromtimestamp(SystemClock().wall(), UTC).date()
    if allowance.until < today:
        raise ConfigError(f"--expires {allowance.until} is in the past")
    if is_too_far(allowance.until, today):
        raise ConfigError(f"--expires {allowance.until} is more than two years ahead; `never` is for good")
    if not (file.resolve().parent / where).exists():
        raise ConfigError(f"{where}: no such file below {file.resolve().parent}")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    write_whole(file, allowed_text(text, allowance))
    note(f"{file}: {allowance} allowed until {expires}")


def _audited(paths: Sequence[Path] | None, config: AuditConfig) -> Report:
    return audit(paths or [Path()], config)


def _base(revision: str, baseline: Path, config: AuditConfig) -> Base:
    """What was known where this work branched off; nothing if the baseline is newer, or of another version."""
    try:
        found = base_of(revision, baseline, config.root)
    except OutdatedBaselineError as error:
        note(f"{error.args[0].partition(';')[0]}: compared only with the one here")
        return Base(None, {})
    if found.baseline is None:
        note(f"{revision} has no {baseline} yet: compared only with the one here")
    return found


def _same_paths(known: Baseline, report: Report, config: AuditConfig) -> None:
    """Refuse to call gone what was not looked at.

    Raises:
        ConfigError: A file of the baseline is there, and not among those that were read.
    """
    unseen = {one.path for one in known.known} - report.paths
    there = sorted(path for path in unseen if (config.root / path).exists())
    if there:
        raise ConfigError(
            f"the baseline has {there[0]}, which was not looked at; name the same paths as when it was created"
        )


def _say(report: Report) -> None:
    allowed = f", {len(report.allowed)} allowed" if report.allowed else ""
    note(f"{counted(report.files, 'file')}, {counted(len(report.findings), 'suppression')}{allowed}")


def _say_unused(report: Report) -> None:
    for unused in report.unused:
        note(f"allowance not used: {unused}")


def _unreadable(report: Report) -> None:
    bad = [one for one in report.findings if one.check is Check.UNPARSEABLE]
    sys.stdout.write(rendered(bad, Format.TEXT))
    if bad:
        raise typer.Exit(ExitCode.FINDING)
