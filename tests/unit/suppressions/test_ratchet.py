"""The ratchet: what is caught, and what must stay quiet."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.suppressions import Baseline, BaselineError, Report, scan_text
from quickwins.suppressions.report import Finding

TODAY = date(2026, 6, 1)

MODULE = """\
import os  # noqa: F401


class Feed:
    def read(self, key, default=None):
        try:
            return self.store[key]
        except Exception:
            pass

    def write(self, key, value):
        self.store[key] = value  # type: ignore[index]
        self.seen.append((key, value))  # type: ignore[index]


def main():
    load("feed", retries=3, verbose=True)  # noqa: S106
"""


def report(files: dict[str, str]) -> Report:
    """What an audit of these files would say."""
    findings: list[Finding] = []
    for path, text in sorted(files.items()):
        findings += scan_text(path, text, today=TODAY).findings
    return Report(tuple(findings), paths=frozenset(files), text=files.__getitem__)


BEFORE = report({"feed.py": MODULE})
BASELINE = Baseline.of(BEFORE)


def test_the_example_has_the_findings_that_the_tests_below_need() -> None:
    assert len(BEFORE.findings) == 5
    assert BASELINE.compare(BEFORE).ok


def test_reports_and_baselines_are_shown_in_short() -> None:
    assert repr(BASELINE) == "<Baseline of 5 suppressions>"
    assert repr(scan_text("feed.py", MODULE, today=TODAY)) == "<Report on 1 files: 5 findings, 0 allowed>"


QUIET = {
    "lines above": "# a comment\n\nX = 1\n" + MODULE,
    "a function above": "def first():\n    return 1\n\n\n" + MODULE,
    "other indentation": MODULE.replace("    ", "  "),
    "tabs": MODULE.replace("    ", "\t"),
    "single quotes": MODULE.replace('"', "'"),
    "other line ends": MODULE.replace("\n", "\r\n"),
    "split over lines": MODULE.replace(
        'load("feed", retries=3, verbose=True)  # noqa: S106',
        'load(\n        "feed",\n        retries=3,\n        verbose=True,\n    )  # noqa: S106',
    ),
    "split, the comment first": MODULE.replace(
        'load("feed", retries=3, verbose=True)  # noqa: S106',
        'load(  # noqa: S106\n        "feed", retries=3, verbose=True\n    )',
    ),
    "more brackets": MODULE.replace("= value  #", "= (value)  #"),
    "another comment beside it": MODULE.replace("# noqa: S106", "# why  # noqa: S106"),
    "a comment in the clause": MODULE.replace(
        "            pass", "            # never mind\n            pass"
    ),
    "spaces": MODULE.replace("retries=3", "retries = 3"),
    "another try body": MODULE.replace("return self.store[key]", "return self.store.get(key)"),
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_reformatting_and_moving_lines_is_quiet(text: str) -> None:
    diff = BASELINE.compare(report({"feed.py": text}))
    assert diff.ok
    assert diff.moved == ()


def test_a_moved_file_is_quiet() -> None:
    diff = BASELINE.compare(report({"src/feeds/feed.py": MODULE, "other.py": "x = 1\n"}))
    assert diff.ok
    assert len(diff.moved) == 5


@pytest.mark.parametrize(("old", "new"), [("main", "start"), ("Feed", "Feeds"), ("read", "fetch")])
def test_a_renamed_function_or_class_is_quiet(old: str, new: str) -> None:
    now = report(
        {"feed.py": MODULE.replace(f"def {old}", f"def {new}").replace(f"class {old}", f"class {new}")}
    )
    diff = BASELINE.compare(now)
    assert diff.ok
    assert diff.moved
    assert BASELINE.updated(now) == Baseline.of(now)


CAUGHT = {
    "one more": MODULE + "import sys  # noqa: F401\n",
    "one more like it": MODULE.replace("self.seen", "self.store[key] = value  # type: ignore[index]\n        self.seen"),
    "swapped for another": MODULE.replace("import os  # noqa: F401", "import sys  # noqa: F401"),
    "swapped within a function": MODULE.replace("value  # type: ignore[index]", "value").replace(
        "self.seen.append((key, value))  #", "forget(key)  #"
    ),
    "swapped between statements that look alike": MODULE.replace(
        '    load("feed", retries=3, verbose=True)  # noqa: S106',
        '    load("feed", retries=3, verbose=True)\n    load("feed", retries=3, verbose=False)  # noqa: S106',
    ),
    "more codes": MODULE.replace("# noqa: S106", "# noqa: S106,E501"),
    "all codes": MODULE.replace("# noqa: S106", "# noqa"),
    "codes of another tool": MODULE.replace("# noqa: S106", "# pylint: disable=W0106"),
    "more is caught": MODULE.replace("except Exception", "except BaseException"),
    "swapped for a worse one": MODULE.replace("# noqa: F401", "# noqa"),
    "moved to another function that was there": MODULE.replace(
        "        except Exception:\n            pass\n", "        finally:\n            self.close()\n"
    ).replace("def main():\n", "def main():\n    try:\n        f()\n    except Exception:\n        pass\n"),
    "copied": MODULE + MODULE.replace("import os", "import  os"),
}  # fmt: skip


@pytest.mark.parametrize("text", CAUGHT.values(), ids=CAUGHT)
def test_anything_new_is_caught(text: str) -> None:
    assert BASELINE.compare(report({"feed.py": text})).new


def test_fixing_one_does_not_pay_for_a_new_one_in_another_file() -> None:
    files = {"feed.py": MODULE.replace("import os  # noqa: F401", ""), "new.py": "import os  # noqa: F401\n"}
    diff = BASELINE.compare(report(files))
    assert [one.path for one in diff.new] == ["new.py"]
    assert [one.path for one in diff.stale] == ["feed.py"]


def test_what_is_gone_is_stale_until_the_baseline_is_updated() -> None:
    now = report({"feed.py": MODULE.replace("  # noqa: F401", "")})
    diff = BASELINE.compare(now)
    assert not diff.new
    assert [one.check for one in diff.stale] == ["SUP013"]
    assert BASELINE.updated(now).compare(now).ok


def test_an_update_adds_nothing() -> None:
    now = report({"feed.py": CAUGHT["one more"]})
    updated = BASELINE.updated(now)
    assert updated == BASELINE
    assert updated.compare(now).new


def test_a_list_edited_by_hand_is_caught_by_the_base() -> None:
    now = report({"feed.py": CAUGHT["one more"]})
    edited = Baseline.of(now)
    assert edited.compare(now).ok, "without a base nobody can tell"
    assert len(edited.compare(now, base=BASELINE).new) == 1


def test_a_file_moved_since_the_base_is_quiet() -> None:
    now = report({"moved.py": MODULE})
    assert Baseline.of(now).compare(now, base=BASELINE).ok


def test_a_union_merge_of_branches_that_fixed_different_lines_is_right() -> None:
    lines = BASELINE.text().splitlines()
    ours, theirs = [*lines[:2], *lines[3:]], lines[:-1]
    merged = "\n".join(sorted({*ours, *theirs})) + "\n"  # keeps what either still has
    fixed_both = report({"feed.py": MODULE})
    assert Baseline.parse(merged, where="merged").compare(fixed_both).ok
    doubled = "\n".join([*ours, *theirs]) + "\n"
    assert Baseline.parse(doubled, where="doubled").compare(fixed_both).ok


def test_a_union_merge_that_brings_back_what_was_fixed_is_stale() -> None:
    now = report({"feed.py": MODULE.replace("  # noqa: F401", "")})
    merged = Baseline.parse(BASELINE.text() + Baseline.of(now).text(), where="merged")
    assert len(merged.compare(now).stale) == 1


def test_a_file_that_cannot_be_read_is_never_in_a_baseline() -> None:
    now = report({"broken.py": "def f(:\n"})
    baseline = Baseline.of(now)
    assert baseline == Baseline()
    assert [one.check.value for one in baseline.compare(now).new] == ["SUP000"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "left over from a merge conflict"),
        ("feed.py SUP001", "not a line of a baseline"),
        ("feed.py\tSUP999\tnoqa:*\t-\t0\t0/1 - - -\tx", "not a check"),
        ("feed.py\tSUP000\tnoqa:*\t-\t0\t0/1 - - -\tx", "not a check"),
        ("feed.py\tSUP001\tnoqa:*\t-\t-1\t0/1 - - -\tx", "not a line of a baseline"),
        ("feed.py\tSUP001\tnoqa:*\t-\t0\t0/x - - -\tx", "not a line of a baseline"),
        ("feed.py\tSUP001\t-\t1:00\t0", "made by version 1 of the checks, this is 2"),
        ("# quickwins suppressions baseline, version 9: path", "made by version 9 of the checks"),
    ],
)
def test_a_line_that_does_not_belong_is_named(line: str, said: str) -> None:
    with pytest.raises(BaselineError, match=said) as raised:
        Baseline.parse(f"# head\n{line}\n", where="list")
    assert "list:2" in str(raised.value)


def test_the_text_has_no_totals_and_reads_back_the_same() -> None:
    text = BASELINE.text()
    lines = [line for line in text.splitlines() if line and not line.startswith("# ")]
    assert len(lines) == 5
    assert text == Baseline(BASELINE.known).text()
    assert Baseline.parse(text, where="list") == BASELINE


def test_what_could_break_a_line_is_written_as_its_bytes() -> None:
    names = ["a\tb.py", "new\nline.py", "# a.py", "-", "latin-\udce9.py", "100%.py", "%2D"]
    baseline = Baseline.of(report(dict.fromkeys(names, "import os  # noqa\n")))
    text = baseline.text()
    text.encode()
    assert Baseline.parse(text, where="list") == baseline


STATEMENTS = [
    "import os  # noqa: F401",
    "x = f(1)  # type: ignore[x]",
    "y = g('a')  # pragma: no cover",
    "import sys  # noqa",
]


@given(
    st.lists(st.sampled_from(STATEMENTS), max_size=6),
    st.lists(st.sampled_from(STATEMENTS), max_size=6),
    st.lists(st.sampled_from(["", "# comment", "z = 1", "def h():\n    return 1"]), max_size=4),
)
def test_a_diff_is_the_difference_of_two_multisets(
    before: list[str], after: list[str], noise: list[str]
) -> None:
    baseline = Baseline.of(report({"m.py": "\n".join(before) + "\n"}))
    diff = baseline.compare(report({"m.py": "\n".join([*noise, *after]) + "\n"}))
    new = sum(max(0, after.count(one) - before.count(one)) for one in STATEMENTS)
    stale = sum(max(0, before.count(one) - after.count(one)) for one in STATEMENTS)
    assert (len(diff.new), len(diff.stale)) == (new, stale)
    assert diff.moved == ()
