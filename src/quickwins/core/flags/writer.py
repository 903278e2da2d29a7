"""Writes a flag where it is kept: the configuration file, or another store through a command.

Nothing is written that running processes would not follow: the result is judged as they do, and validated whole first. A
kill is the exception, because it needs nothing but itself: they take it out of a text that is wrong about anything else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quickwins.core.config import Layer, resolve
from quickwins.core.errors import ConfigError
from quickwins.core.flags._edit import edited, key_path, killed, nested
from quickwins.core.flags.errors import SourceError, SourceReason
from quickwins.core.flags.sources import read_file
from quickwins.core.flags.text import kills_of, parsed, writable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quickwins.core.config import Section, Settings

COMMAND_TIMEOUT_SECONDS = 30.0


class WriteReason(StrEnum):
    """Why nothing was written."""

    READ_ONLY = "read_only"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    COMMAND_FAILED = "command_failed"


class WriteError(ConfigError):
    """The flag could not be written; the store is as it was."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a successful write did.

    Attributes:
        settings: What the file alone says now; `None` when a command wrote elsewhere, or the file is not valid otherwise.
        where: The file, or the program that was run.
    """

    settings: Settings | None
    where: str


class FlagWriter:
    """Sets fields of one feature's section. Safe among several processes; blocks for a file write or a command."""

    def __init__(
        self, path: Path, sections: Mapping[str, type[Section]], *, command: Sequence[str] = ()
    ) -> None:
        """Write to `path`, or through `command`.

        Args:
            path: The configuration file. A symbolic link is followed and its target replaced.
            sections: The known sections.
            command: A program and its arguments; `{feature}` and `{changes}`, a JSON object of the fields, are filled
                in. It runs without a shell, for 30 s at most. Empty: the file is written.
        """
        self._path = path
        self._sections = sections
        self._command = command

    def __repr__(self) -> str:
        return f"<FlagWriter to {self._command[0] if self._command else self._path}>"

    def check(self) -> None:
        """Nothing, if a write could succeed: the file and its folder are there and ours. A command is not tried.

        Raises:
            WriteError: It could not; the message says why.
        """
        if not self._command:
            target = self._target()
            self._refuse_managed(target)
            self._read(target)

    def set(self, feature: str, /, **fields: object) -> Written:
        """Give the section `feature` these fields; `None` removes one, so that its default holds.

        A key may be dotted, as in `**{"names.feed.threshold": 0.7}`. A text that stands for a number, a moment or a yes or
        no is written as that. A line that says the file is whole becomes the last one.

        Raises:
            ConfigError: A field or value is not allowed; the message says what is.
            WriteError: The store cannot be written; the message says why.
        """
        self._known(feature)
        given = self._typed(feature, {key_path(key): value for key, value in fields.items()})
        if len(given) < len(fields):
            raise ConfigError(f"{feature}: two of {', '.join(fields)} are the same key")
        if self._command:
            resolve([Layer("the change", nested(feature, given))], self._sections)
            return self._run(feature, fields, given)
        target = self._target()
        self._refuse_managed(target)
        name = str(self._path)
        with self._locked(target):
            old, _ = parsed(self._read(target), name)
            self._refuse_unknown(feature, given, old.values, name)
            try:
                new = edited(old.text, feature, given).encode()
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
            except UnicodeEncodeError:
                raise ConfigError(
                    f"{feature}: a key or a value is not text in this locale's encoding"
                ) from None
            layer = writable(new, name, old)
            settings = resolve([layer], self._sections)
            replace_whole(target, new)
        return Written(settings, name)

    def kill(self, feature: str) -> Written:
        """Set `killed = true` in the section `feature`, whatever else is wrong with the file, even if it is no TOML.

        Raises:
            ConfigError: There is no such section, or the file cannot be edited so that running processes see the kill.
            WriteError: The store cannot be written; the message says why.
        """
        self._known(feature)
        if self._command:
            return self._run(feature, {"killed": True}, {("killed",): True})
        target = self._target()
        self._refuse_managed(target)
        name = str(self._path)
        with self._locked(target):
            data = self._read(target)
            text = data.decode("utf-8-sig", "surrogateescape")
            new = killed(text, feature).encode("utf-8", "surrogateescape")
            if not kills_of(new, name) >= kills_of(data, name) | {feature}:
                raise ConfigError(
                    f"{name} cannot be edited, nothing was written: put `[{feature}]` and `killed = true` below it at "
                    "the beginning of the file by hand"
                )
            replace_whole(target, new)
        try:
            settings = resolve([parsed(new, name)[1]], self._sections)
        except ConfigError:
            settings = None
        return Written(settings, name)

    def _known(self, feature: str) -> None:
        if feature not in self._sections:
            raise ConfigError(f"no section {feature!r}; known: {', '.join(sorted(self._sections))}")

    def _refuse_unknown(
        self, feature: str, fields: Mapping[tuple[str, ...], object], old: Mapping[str, object], name: str
    ) -> None:
        """Nothing, unless a key is to be removed that is neither there nor known: a typo, most likely.

        Raises:
            ConfigError: One is; the message says which is meant.
        """
        for path, value in fields.items():
            if value is None and not _is_in(old, (feature, *path)):
                try:
                    resolve([Layer(name, nested(feature, {path: ""}))], self._sections)
                except ConfigError as error:
                    if "unknown key" in str(error):  # and not that this is no value for it
                        raise

    def _typed(self, feature: str, fields: Mapping[tuple[str, ...], object]) -> dict[tuple[str, ...], object]:
        """`fields` with texts as what they stand for: `enabled = "True"` is nothing that a file should say."""
        try:
            settings = resolve([Layer("the change", nested(feature, fields))], self._sections)
        except ConfigError:  # the whole is judged later, with a better place to name
            return dict(fields)
        section = settings.sections[feature]
        return {
            path: value if value is None else _as(value, _at(section, path)) for path, value in fields.items()
        }

    def _run(
        self, feature: str, fields: Mapping[str, object], typed: Mapping[tuple[str, ...], object]
    ) -> Written:
        changes = dict(zip(fields, typed.values(), strict=True))
        filled = {"{feature}": feature, "{changes}": json.dumps(changes, default=str)}
        argv = []
        for part in self._command:
            for placeholder, value in filled.items():
                part = part.replace(placeholder, value)  # noqa: PLW2901 -- filled in step by step; until=never
            argv.append(part)
        try:
            done = subprocess.run(  # noqa: S603 -- the operator's own command, no shell; until=never
                argv, check=False, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WriteError(f"{argv[0]}: {error}", reason=WriteReason.COMMAND_FAILED) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise WriteError(
                f"{argv[0]} ended with {done.returncode}: {said}", reason=WriteReason.COMMAND_FAILED
            )
        return Written(None, argv[0])

    def _refuse_managed(self, target: Path) -> None:
        parent = self._path.parent
        if (parent / "..data").is_symlink():
            raise WriteError(
                f"{self._path} is mounted from a Kubernetes ConfigMap, which would undo the change: edit the ConfigMap, "
                "or set write_command under [flags]",
                reason=WriteReason.READ_ONLY,
            )
        if _is_mounted(target) and not os.access(target, os.W_OK):
            raise WriteError(
                f"{target} is mounted by itself, read-only: change it where it is mounted from, or set write_command under "
                "[flags]",
                reason=WriteReason.READ_ONLY,
            )
        if not os.access(target.parent, os.W_OK):
            raise WriteError(
                f"{target.parent} is not writable, and a file is replaced, not changed in place: run as its owner, or "
                "set write_command under [flags]",
                reason=WriteReason.READ_ONLY,
            )

    def _target(self) -> Path:
        """Where the path leads; links that lead in circles are told when that is read."""
        return Path(os.path.realpath(self._path))

    def _read(self, target: Path) -> bytes:
        try:
            return read_file(target, str(self._path))
        except SourceError as error:
            missing = error.reason is SourceReason.MISSING
            hint = "`quickwins init` writes one to start from" if missing else "nothing was written"
            raise WriteError(
                f"{error}; {hint}", reason=WriteReason.MISSING if missing else WriteReason.UNREADABLE
            ) from None

    @contextlib.contextmanager
    def _locked(self, target: Path) -> Iterator[None]:
        # The folder is what two writers have in common: the file itself is a new one after each write.
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _is_mounted(target: Path) -> bool:
    """Whether a file is a mount of its own; where the system doesn't say, none is."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    shown = (
        str(target).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    )
    return any(mount.split(" ", 5)[4:5] == [shown] for mount in mounts.splitlines())


def _is_in(values: Mapping[str, object], path: Sequence[str]) -> bool:
    try:
        _at(values, path)
    except (KeyError, AttributeError):
        return False
    return True


def _at(model: Any, path: Sequence[str]) -> Any:
    for key in path:
        model = model[key] if isinstance(model, Mapping) else getattr(model, key)
    return model


def _as(value: object, validated: object) -> object:
    if isinstance(value, str) and isinstance(validated, (bool, int, float, datetime)):
        return validated
    return validated if isinstance(validated, bool) else value


def _give_to(file: int, old: os.stat_result, target: Path) -> None:
    """Keep group and owner, so that who could read the file still can."""
    for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):  # one may be allowed without the other
        try:
            os.fchown(file, owner, group)
        except PermissionError:
            if not old.st_mode & 0o004:
                raise WriteError(
                    f"{target} belongs to user {old.st_uid} and group {old.st_gid}, who could not read it any more if "
                    "you replaced it: run as its owner",
                    reason=WriteReason.READ_ONLY,
                ) from None


def replace_whole(target: Path, data: bytes) -> None:
    """Replace `target`, which is there, in one step; readers see the old text or the new one, even across a crash.

    A file that is mounted by itself, as `docker -v` does it, cannot be replaced, and is written over.

    Raises:
        WriteError: The folder, or a file that is mounted by itself, cannot be written, or who could read it no longer could.
    """
    old = target.stat()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise WriteError(f"{target.parent}: {error.strerror}", reason=WriteReason.READ_ONLY) from None
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), old.st_mode & 0o7777)
            _give_to(file.fileno(), old, target)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _put_in_place(name, target, data)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 -- the name is a string already; until=never
        raise


def _put_in_place(made: str, target: Path, data: bytes) -> None:
    try:
        os.replace(made, target)  # noqa: PTH105 -- the name is a string already; until=never
    except OSError as error:
        if error.errno != errno.EBUSY:  # a mount of its own
            raise
        try:
            _write_over(target, data)
        except OSError as refused:
            raise WriteError(
                f"{target} is mounted by itself, so that it cannot be replaced, nor written over: {refused.strerror}. Change it "
                "where it is mounted from, or set write_command under [flags]",
                reason=WriteReason.READ_ONLY,
            ) from None
        os.unlink(made)  # noqa: PTH108 -- as above; until=never


def _write_over(target: Path, data: bytes) -> None:
    """In one call for all that counts: blank lines stand for what was longer, until they are cut off."""
    with target.open("r+b", buffering=0) as file:
        longer = os.fstat(file.fileno()).st_size - len(data)
        file.write(data + b"\n" * max(0, longer))
        file.truncate(len(data))
        os.fsync(file.fileno())
