"""A package shows its API and nothing else, imports nothing before it is asked, and gives its name to what it shows."""

from __future__ import annotations

import pickle
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FILES = {
    "__init__.py": """
        __getattr__, __dir__ = lazily(__name__, {
            "Outer": "outer", "Failed": "outer", "act": "outer", "LIMIT": "outer", "Deep": "room.deep", "Shared": "room",
            "leave": "quickwins.core.contexts",
        }, modules=["room"])
    """,
    "outer.py": """
        from shown.room.deep import Shared
        class Outer: pass
        class Failed(Exception): pass
        class Inside: pass
        def act(): pass
        LIMIT = 7
    """,
    "room/__init__.py": """
        __getattr__, __dir__ = lazily(__name__, {"Shared": "deep"})
    """,
    "room/deep.py": """
        class Deep: pass
        class Shared: pass
    """,
}


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, text in FILES.items():
        path = tmp_path / "shown" / name
        path.parent.mkdir(exist_ok=True)
        lines = [line.removeprefix(" " * 8) for line in text.splitlines()]
        path.write_text("\n".join(["from quickwins.core.lazy import lazily as lazily", *lines]))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [one for one in sys.modules if one.split(".")[0] == "shown"]:
        monkeypatch.delitem(sys.modules, name)
    return import_module("shown")


def test_nothing_is_imported_before_a_name_is_asked_for(shown: ModuleType) -> None:
    assert not [name for name in sys.modules if name.startswith("shown.")]
    assert shown.LIMIT == 7
    assert "shown.outer" in sys.modules


def test_a_package_lists_what_it_shows_and_nothing_else_whatever_has_been_imported(shown: ModuleType) -> None:
    expected = ["Deep", "Failed", "LIMIT", "Outer", "Shared", "act", "leave", "room"]
    assert dir(shown) == expected
    assert shown.Outer
    assert dir(shown) == expected


def test_what_a_package_does_not_show_is_not_there(shown: ModuleType) -> None:
    assert shown.Outer
    for name in ("Inside", "nope"):
        with pytest.raises(AttributeError, match=f"module 'shown' has no attribute '{name}'"):
            getattr(shown, name)


def test_modules_are_reached_without_an_import_of_their_own(shown: ModuleType) -> None:
    assert shown.room is sys.modules["shown.room"]


def test_classes_and_functions_bear_the_name_by_which_they_are_known(shown: ModuleType) -> None:
    assert repr(shown.Outer) == "<class 'shown.Outer'>"
    assert repr(shown.Deep) == "<class 'shown.Deep'>"
    assert shown.act.__module__ == "shown"
    assert sys.modules["shown.outer"].Inside.__module__ == "shown.outer"


def test_an_error_that_nobody_has_asked_for_bears_it_as_well(shown: ModuleType) -> None:
    assert shown.Outer
    assert sys.modules["shown.outer"].Failed.__module__ == "shown"


def test_what_two_packages_show_is_the_inner_ones(shown: ModuleType) -> None:
    assert shown.Shared.__module__ == "shown.room"
    assert shown.room.Shared is shown.Shared
    assert shown.Shared.__module__ == "shown.room"


def test_what_another_room_shows_keeps_its_name(shown: ModuleType) -> None:
    assert shown.leave.__module__ == "quickwins.core.contexts"


def test_what_was_renamed_is_found_again_by_pickle(shown: ModuleType) -> None:
    assert type(pickle.loads(pickle.dumps(shown.Outer()))) is shown.Outer  # noqa: S301 -- our own bytes; until=never
