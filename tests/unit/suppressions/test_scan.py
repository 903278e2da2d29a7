"""The scanner against Python's own tokeniser and parser, and against nonsense."""

from __future__ import annotations

import io
import sys
import sysconfig
import tokenize
from datetime import date
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quickwins.suppressions import scan_text
from quickwins.suppressions.scan import lexer
from quickwins.suppressions.scan.places import Places
from tests.unit.suppressions.corpus import cases

TODAY = date(2026, 6, 1)
STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def comments_of(text: str) -> list[str]:
    return [
        one.string
        for one in tokenize.generate_tokens(io.StringIO(text).readline)
        if one.type == tokenize.COMMENT
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [25, pytest.param(250, marks=pytest.mark.volume)])
def test_finds_the_comments_that_pythons_tokeniser_finds_in_the_standard_library(number: int) -> None:
    files = [one for one in STANDARD_LIBRARY.rglob("*.py") if "site-packages" not in one.parts]
    compared = 0
    for file in Random(1).sample(sorted(files), number):
        data = file.read_bytes()
        try:
            compile(data, str(file), "exec", dont_inherit=True)
            text = lexer.decoded(data)
        except (SyntaxError, SyntaxWarning, DeprecationWarning, ValueError, lexer.Unparseable):
            continue  # the standard library keeps broken files for its own tests
        found = lexer.lexed(text)
        assert [text[start:end] for start, end in found.comments] == comments_of(text), file
        assert len(found.code) == len(text)
        compared += 1
    assert compared > 0.8 * number


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 701 is Python 3.12's")
@pytest.mark.parametrize(
    "text",
    [
        'x = f"{a["b"]}"  # noqa\n',
        'x = f"{a["#"]}"  # noqa\n',
        "x = f'{f'{1}'}'  # noqa\n",
        'x = f"{"""a"""}"  # noqa\n',
        'x = f"""{\n    a  # noqa\n}"""\n',
        'x = f"{a["b"]:{"c"}}" # noqa\n',
        'x = f"{\n a["b"]\n}"  # noqa\n',
        'x = rf"{a["b"]}"  # noqa\n',
    ],
)
def test_f_strings_that_contain_their_own_quotes_are_followed(text: str) -> None:
    assert [one.check.value for one in scan_text("x.py", text, today=TODAY).findings] == ["SUP001"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 701 is Python 3.12's")
def test_what_looks_like_a_comment_inside_an_f_string_is_not_one() -> None:
    text = 'x = f"{a["b"]}"\ny = f"# noqa {1}# noqa"\nz = f"{1}# noqa"\n'
    assert scan_text("x.py", text, today=TODAY).findings == ()


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("x = 1  # noqa\n", ""),
        ("def f():\n    x = 1  # noqa\n", "f"),
        ("async def f():\n    x = 1  # noqa\n", "f"),
        ("class A:\n    def f(self):\n        x = 1  # noqa\n", "A.f"),
        ("class A:\n    def f(self):\n        pass\n    x = 1  # noqa\n", "A"),
        ("class A:\n    def f(self):\n        pass\nx = 1  # noqa\n", ""),
        ("def f():\n    def g():\n        pass\n    x = 1  # noqa\n", "f"),
        ("if a:\n    def f():\n        pass\n    if b:\n        x = 1  # noqa\n", ""),
        ('def f():\n    """\ntext at the margin\n"""\n    x = 1  # noqa\n', "f"),
        ("def f():\n    x = [\n1,\n]\n    y = 1  # noqa\n", "f"),
        ("def f(\n    a,\n):\n    x = 1  # noqa\n", "f"),
        ("class A:\n    # noqa\n    x = 1\n", "A"),
        ("def f():\n\tx = 1  # noqa\n", "f"),
        ("@d\ndef f():  # noqa\n    pass\n", ""),
        ("def f():\n    # a comment\n# at the margin\n    x = 1  # noqa\n", "f"),
    ],
)
def test_the_scope_is_the_function_or_class_around(text: str, scope: str) -> None:
    (finding,) = scan_text("x.py", text, today=TODAY).findings
    assert finding.identity.scope == scope


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("a = 1  # noqa\nb = 2\n", "a = 1  # noqa"),
        ("f(\n    1,  # noqa\n    2,\n)\nb = 2\n", "f(\n    1,  # noqa\n    2,\n)"),
        ("a = 1 + \\\n    2  # noqa\nb = 2\n", "a = 1 + \\\n    2  # noqa"),
        ("# noqa\na = 1\n", "a = 1"),
        ("x = (\n    # noqa\n    1\n)\n", "x = (\n    # noqa\n    1\n)"),
        ("b = 2\n# noqa\n", "# noqa"),
        ('a = """x\ny"""  # noqa\nb = 2\n', 'a = """x\ny"""  # noqa'),
    ],
)
def test_the_statement_is_the_whole_logical_line(text: str, statement: str) -> None:
    found = lexer.lexed(text)
    start, end = Places(found).statement_span(text.index("# noqa"))
    assert text[start:end] == statement


@pytest.mark.parametrize("quote", ['"', "'"])
@given(body=st.text(alphabet="\\\\\"'#a\n", max_size=12))
@example(body='\\"""# ')
@example(body="\\\\")
@example(body='a" \\"# ')
def test_a_long_string_ends_where_python_ends_it(quote: str, body: str) -> None:
    text = f"x = {quote * 3}{body}{quote * 3}  # noqa\n"
    try:
        compile(text, "x.py", "exec", dont_inherit=True)
    except (SyntaxError, SyntaxWarning, DeprecationWarning):
        return
    assert [text[start:end] for start, end in lexer.lexed(text).comments] == comments_of(text)


@given(st.text(alphabet="#\"'\\\n()[]{}: nfqatype:ignore=-\t\rxé", max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    report = scan_text("x.py", text, today=TODAY)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= one.line <= lines + 1 for one in report.findings)


@given(st.sampled_from([case.text for _, case in cases() if case.path.endswith(".py")]), st.data())
def test_code_cut_anywhere_does_not_make_it_fail(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(min_value=0, max_value=len(text)))
    scan_text("x.py", text[:cut] + text[cut + 1 :], today=TODAY)
    scan_text("pyproject.toml", text[cut:], today=TODAY)
    scan_text("setup.cfg", text[cut:], today=TODAY)
    scan_text("Dockerfile", text[cut:], today=TODAY)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "piece",
    [
        "# noqa",
        "# noqa: A1 -- b ",
        "except ",
        "f(x) # -- ",
        "if a:\n",
        " ",
        "'",
        '"""',
        "(",
        "except",
        "# type: ignore[",
        "warnings.simplefilter(",
        "\\\n",
        "suppress as a, ",
        "import suppress as a\n",
        "a = suppress\n",
        "a = b, suppress, ",
        "a = Exception\ntry: ...\nexcept a:\n    pass\n",
        "partial(suppress, ",
    ],
)
def test_hostile_text_costs_no_more_than_in_proportion_to_its_length(piece: str) -> None:
    """A quadratic cost would take minutes here, longer than a test may."""
    scan_text("x.py", piece * 20_000, today=TODAY)
    scan_text("x.py", piece * 2_000 + ")" * 2_000, today=TODAY)


def test_half_a_character_which_some_encodings_let_through_is_read_like_any_other() -> None:
    read = lexer.lexed("\ud800 = (1)  # \ud800\n")
    assert read.code == "\ud800 = (1)     \n"
    assert read.comments == ((9, 12),)
