"""The budget for warnings, in runs of pytest of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest

pytest_plugins = ["pytester"]

LIBRARY = """
import warnings

def old():
    warnings.warn("old", DeprecationWarning)
"""
TEST = """
import warnings
from library import old

def test_it():
    old()
    warnings.warn("older", PendingDeprecationWarning)
"""
NONE = "--warning-budget=DeprecationWarning=0"

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs pytest over `test` and a module whose `old` warns."""
    for name in ("PYTEST_ADDOPTS", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, test: str = TEST, ini: str = "", apart: bool = False) -> pytest.RunResult:
        pytester.makepyfile(library=LIBRARY, test_it=test)
        pytester.makeini(f"[pytest]\npythonpath = .\n{ini}\n")
        go = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return go("-p", "no:cacheprovider", "-p", "no:asyncio", *arguments)

    with warnings.catch_warnings():
        warnings.resetwarnings()  # of the run that this test is in
        yield run


def said(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def test_within_the_budget_the_run_passes(run: Run) -> None:
    result = run("--warning-budget=DeprecationWarning=1")
    assert result.ret == 0, said(result)
    assert "over the budget" not in said(result)


def test_above_the_budget_the_run_fails_and_says_by_how_much_and_where(run: Run) -> None:
    result = run(NONE, "--warning-budget=UserWarning=0")
    assert result.ret == 1
    assert "DeprecationWarning: 1, the budget is 0" in said(result)
    assert "library.py:4" in said(result)
    assert "UserWarning" not in said(result)


def test_the_budget_can_come_from_the_settings(run: Run) -> None:
    result = run(ini="warning_budget =\n    PendingDeprecationWarning=0\n    UserWarning=3")
    assert result.ret == 1
    assert "PendingDeprecationWarning: 1, the budget is 0" in said(result)


IN_A_TEST = {
    "a filter that is set": "    warnings.simplefilter('ignore')\n    old()\n",
    "a filter set by another name": "    quiet('ignore')\n    old()\n",
    "a filter in a block": "    with warnings.catch_warnings():\n        warnings.simplefilter('ignore')\n        old()\n",
    "a block that ignores": "    with warnings.catch_warnings(action='ignore'):\n        old()\n",
    "a filter put in by hand": "    warnings.filters.insert(0, ('ignore', None, Warning, None, 0))\n    old()\n",
    "no filters at all": "    warnings.resetwarnings()\n    warnings.simplefilter('ignore')\n    old()\n",
    "a list of its own": "    warnings.filters[:] = [('ignore', None, Warning, None, 0)]\n    old()\n",
    "a warning made an error": "    warnings.simplefilter('error')\n    with pytest.raises(DeprecationWarning):\n        old()\n",
}


@pytest.mark.parametrize("body", IN_A_TEST.values(), ids=IN_A_TEST)
def test_what_a_test_hides_counts(run: Run, body: str) -> None:
    head = "import pytest, warnings\nfrom warnings import simplefilter as quiet\nfrom library import old\n"
    result = run(NONE, test=f"{head}def test_it():\n{body}")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert "DeprecationWarning: 1, the budget is 0" in said(result)


CONFIGURED = {
    "filterwarnings": ((), "filterwarnings = ignore"),
    "a narrow filter": ((), "filterwarnings = ignore::DeprecationWarning:library"),
    "-W ignore": (("-W", "ignore"), ""),
    "-W ignore::DeprecationWarning": (("-W", "ignore::DeprecationWarning"), ""),
    "--disable-warnings": (("--disable-warnings",), ""),
}


@pytest.mark.parametrize(("arguments", "ini"), CONFIGURED.values(), ids=CONFIGURED)
def test_what_the_configuration_hides_counts(run: Run, arguments: tuple[str, ...], ini: str) -> None:
    result = run(NONE, *arguments, ini=ini)
    result.assert_outcomes(passed=1, warnings=None)
    assert result.ret == 1
    assert "DeprecationWarning: 1, the budget is 0" in said(result)


@pytest.mark.parametrize("by", ["-p no:warnings", "PYTHONWARNINGS"])
def test_what_the_process_hides_counts(run: Run, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    if by == "PYTHONWARNINGS":
        monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    result = run(NONE, *(by.split() if by.startswith("-") else ()), apart=True)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert "DeprecationWarning: 1, the budget is 0" in said(result)


def test_what_a_mark_hides_counts(run: Run) -> None:
    result = run(
        NONE, test=TEST.replace("def test", "import pytest\n@pytest.mark.filterwarnings('ignore')\ndef test")
    )
    assert result.ret == 1


@pytest.mark.parametrize("file", ["conftest", "test_import"])
def test_what_an_import_raises_and_hides_counts(run: Run, pytester: pytest.Pytester, file: str) -> None:
    pytester.makepyfile(
        **{file: "import warnings\nwarnings.simplefilter('ignore')\nimport library\nlibrary.old()\n"}
    )
    result = run(NONE, test="def test_it(): ...\n")
    assert result.ret == 1
    assert "DeprecationWarning: 1, the budget is 0" in said(result)


RECORDED = {
    "pytest.warns": "    with pytest.warns(DeprecationWarning):\n        old()\n",
    "pytest.deprecated_call": "    with pytest.deprecated_call():\n        old()\n",
    "catch_warnings": "    with warnings.catch_warnings(record=True) as seen:\n        old()\n    assert len(seen) == 1\n",
}


@pytest.mark.parametrize("body", RECORDED.values(), ids=RECORDED)
def test_what_a_test_records_itself_does_not_count(run: Run, body: str) -> None:
    head = "import pytest, warnings\nfrom library import old\n"
    result = run(NONE, test=f"{head}def test_it():\n{body}\ndef test_fixture(recwarn):\n    old()\n")
    result.assert_outcomes(passed=2)
    assert result.ret == 0, said(result)


def test_what_pytest_warns_lets_through_counts(run: Run) -> None:
    body = "    with pytest.warns(UserWarning):\n        old()\n        warnings.warn('x', UserWarning)\n"
    result = run(NONE, test=f"import pytest, warnings\nfrom library import old\ndef test_it():\n{body}")
    assert result.ret == 1
    assert "DeprecationWarning" in said(result)


def test_tests_see_the_same_filters_as_without_a_budget(run: Run) -> None:
    body = """
import warnings

def test_it():
    before = list(warnings.filters)
    warnings.simplefilter("ignore", UserWarning)
    assert warnings.filters[0] == ("ignore", None, UserWarning, None, 0)
    assert len(warnings.filters) == len(before) + 1
    assert warnings.filters.pop(0)[2] is UserWarning
    assert warnings.filters == before == warnings.filters[:] == warnings.filters.copy()
    del warnings.filters[0]
    assert list(warnings.filters) == before[1:]
    warnings.filters[0] = before[0]
    warnings.filters.clear()
    assert not warnings.filters
    warnings.filters.append(before[0])
    assert [*warnings.filters] == before[:1]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            warnings.warn("x", UserWarning)
    assert len(seen) == 1
"""
    result = run(NONE, test=body)
    result.assert_outcomes(passed=1)
    assert result.ret == 0, said(result)


def test_a_budget_holds_for_all_workers_of_a_parallel_run_together(run: Run) -> None:
    pytest.importorskip("xdist")
    test = "import warnings\nfrom library import old\n" + "".join(
        f"def test_{number}():\n    warnings.simplefilter('ignore')\n    old()\n" for number in range(4)
    )
    over = run("-n2", "--warning-budget=DeprecationWarning=3", test=test, apart=True)
    assert over.ret == 1
    assert "DeprecationWarning: 4, the budget is 3" in said(over)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_what_imports_raise_counts_once_however_many_workers_import_it(run: Run, workers: str) -> None:
    pytest.importorskip("xdist")
    test = (
        "import warnings\nwarnings.warn('import', UserWarning)\ndef test_it():\n    warnings.warn('test', UserWarning)\n"
        "def test_other(): pass\n"
    )
    result = run(workers, "--warning-budget=UserWarning=1", test=test, apart=True)
    assert result.ret == 1
    assert "UserWarning: 2, the budget is 1" in said(result)


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ("DeprecationWarning", "write CATEGORY=NUMBER"),
        ("DeprecationWarning=many", "write CATEGORY=NUMBER"),
        ("UserWarning=-1", "write CATEGORY=NUMBER"),
        ("=1", "write CATEGORY=NUMBER"),
        ("Foo=0", "Python has no warning category 'Foo'; name one of your own with its module"),
        (
            "DeprecationWarnings=0",
            "Python has no warning category 'DeprecationWarnings'; did you mean DeprecationWarning?",
        ),
        ("library.Foo=0", "module 'library' has no 'Foo'"),
        ("no.module.Foo=0", "cannot import 'no.module': No module named 'no'"),
        ("broken.Foo=0", "cannot import 'broken': it is broken"),
        ("ValueError=1", "ValueError is not a warning category"),
        ("library.old=1", "library.old is not a warning category"),
    ],
)
def test_a_budget_that_makes_no_sense_ends_the_run_and_says_what_is_wrong(
    run: Run, pytester: pytest.Pytester, given: str, because: str
) -> None:
    pytester.makepyfile(broken="raise RuntimeError('it is broken')\n")
    result = run(f"--warning-budget={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"warning budget {given!r}: {because}" in said(result)


def test_a_category_of_your_own_is_named_with_its_module(run: Run) -> None:
    test = "import warnings\nclass Old(UserWarning): ...\ndef test_it():\n    warnings.warn('x', Old)\n"
    result = run("--warning-budget=test_it.Old=0", test=test)
    assert result.ret == 1
    assert "test_it.Old: 1, the budget is 0" in said(result)


def test_without_a_budget_nothing_changes(run: Run) -> None:
    assert run().ret == 0
