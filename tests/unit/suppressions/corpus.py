"""Labelled code: what is a suppression, by which check, and what only looks like one.

All of it is in strings, so that this file itself has none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One text and the checks that must find something in it, in order."""

    text: str
    checks: tuple[str, ...] = ()
    path: str = "module.py"


_COMMENTS = {
    "SUP001": [
        "# noqa", "#noqa", "# NOQA", "# NoQA", "#  noqa", "# first this # noqa", "# noqa  -- because", "# noqa # later",
        "# ruff: ignore", "# ruff: ignore[]", "## noqa", "# noqa because of the API",
    ],
    "SUP002": [
        "# noqa F401", "# noqa : F401", "# noqa:", "# noqa: because", "# noqa=F401", "# noqa(F401)", "# noqa[F401]",
        "# noqa-F401", "# noqa, F401", "# noqa; F401", "# noqa: ,", "# noqa: -- why", "# noqa:unused-import", "# noqa E501,W291", "# noqa:  F401", "# noqability", "# noqaF401",
    ],
    "SUP003": [
        "# ruff: noqa", "# flake8: noqa", "# flake8: noqa: E501", "# ruff: noqa: F401", "#ruff:noqa", "# FLAKE8: NOQA",
        "# ruff: file-ignore[F401]", "# ruff: disable", "# flake8=noqa", "# ruff: disable[]",
        "# ruff: noqa: F401 -- generated; until=2028-01-01",
    ],
    "SUP004": [
        "# type: ignore", "#type:ignore", "# type:  ignore", "# pyright: ignore", "# ty: ignore", "# type: ignore[]",
        "# type: ignore # comment", "# pyre-ignore", "# pyre-fixme", "# type: ignore -- because", "# type: ignore [ ]",
        "# x # type: ignore",
    ],
    "SUP005": [
        "# mypy: ignore-errors", "# mypy: ignore_errors", "# mypy: ignore-errors=True", '# mypy: disable-error-code="attr-defined"',
        "# mypy: allow-untyped-defs, ignore-errors", "# pyright: reportMissingImports=false", "# pyre-ignore-all-errors",
        "# pyright: basic, reportUnknownMemberType=none",
    ],
    "SUP006": [
        "# pylint: disable=all", "# pylint: skip-file", "# pylint:disable=all", "# pylint: disable=unused-import, all",
        "# PYLINT: disable=ALL", "# pylint: disable-next=all",
        "# pylint: enable=a, disable=all", "# pylint: disable=[all]", "# pylint: disable-all",
    ],
    "SUP007": [
        "# pragma: no cover", "# pragma no cover", "#pragma: no cover", "# pragma: no branch", "# PRAGMA: NO COVER",
        "# pragma:no cover", "# pragma: no cover -- cannot happen", "# pragma: no coverage",
    ],
    "SUP013": [
        "# noqa: F401", "# noqa:F401", "# NOQA: E501, W291", "# noqa: E501 W291", "# noqa: F401 because", "# noqa: F401 -- because",
        "# type: ignore[attr-defined]", "# type: ignore[a, b]", "# pyright: ignore[reportFoo]", "# ty: ignore[unresolved]",
        "# pylint: disable=unused-import", "# pylint: disable=a,b", "# pylint: disable-next=a", "# ruff: ignore[F401]",
        "# ruff: disable[F401]", "# noqa: S101 -- later; until=soon", "# noqa: S101 -- later; until=nevermore", "# noqa: S101 -- later; until=2026-02-30",
        "# pyre-fixme[6]", "# noqa: S101 --", "# noqa: S101 until=2028-01-01", "# type: ignore [attr-defined]",
        "# noqa: F401,", "# pylint: disable=[unused-import]", '# pylint: disable="unused-import", \'x\'',
        "# pylint: disable=a enable=b",
    ],
    "SUP014": [
        "# noqa: F401 -- because; until=2026-05-31", "# type: ignore[x]  # -- stubs; until=2020-01-01",
        "# pylint: disable=x  # -- old; until=1999-12-31", "# pragma: no cover -- soon; until=2025-01-01",
        "# nosec B101  # -- asserts; until=2025-01-01", "# pylint: disable=x; -- old; until=1999-12-31",
    ],
    "SUP017": [
        "# pylint: disable=unused-import -- all of them register; until=2028-01-01", "# pylint: disable=x -- because",
        "# nosec B607 -- see B602; until=2028-01-01", "# nosec: B607 -- reviewed; until=2025-01-01",
        "# type: ignore[x] -- no stubs; until=2028-01-01", "# type: ignore[x]; -- no stubs; until=2028-01-01",
        "# pylint: disable=x -- a  # -- b; until=2028-01-01",
    ],
    "SUP015": [
        "# nosec", "#nosec", "# nosec B101", "# nosec: B101,B102", "# NOSONAR", "# nosonar", "# NOSONAR(python:S123)",
        "# nosecret", "# nosec-like", "# nosec because", "# nosec -- reviewed; until=2028-01-01",
    ],
}  # fmt: skip

_FINE_COMMENTS = [
    "# noqa: F401 -- re-exported; until=2028-01-01",
    "# noqa: F401, E501 -- re-exported; until=2026-06-01",
    "# NOQA: F401 -- a; b; until = 2028-01-01",
    "# type: ignore[x]  # -- no stubs; until=2028-01-01",
    "# pyright: ignore[reportFoo] -- no stubs; until=2028-01-01",
    "# pylint: disable=x  # -- its names; until=2028-01-01",
    "# ruff: disable[E501] -- a table; until=2028-01-01",
    "# ruff: ignore[E501] -- a table; until=2028-01-01",
    "# pragma: no cover -- only on Windows; until=2028-01-01",
    "# nosec B101  # -- reviewed, see B602; until=2028-01-01",
    "# pylint: disable=x  # -- all of its names; until=2028-01-01",
    "# pylint: disable=x; -- all of its names; until=2028-01-01",
    "# noqa: F401  # -- see E402; until=2028-01-01",
    "# pragma: no cover  # -- only on Windows; until=2028-01-01",
    "# pyright: ignore[reportFoo]  # -- no stubs; until=2028-01-01",
    "# ty: ignore[unresolved]  # -- no stubs; until=2028-01-01",
    "# ruff: disable[E501]  # -- a table; until=2028-01-01",
    "# type: ignore[x]  # noqa: F401 -- for both; until=2028-01-01",
    "# NOSONAR -- reviewed; until=2028-01-01",
    "# noqa: S101 -- narrows; until=2028-01-01  ",
    "# noqa: S101 -- narrows; until=never",
    "# type: ignore[x]  # -- no stubs; until = never",
    "# type: int",
    "# type: (int) -> str",
    "# type: ignored",
    "# type: ignore-this",
    "# see the docs of noqa",
    "#noqability",
    "# the noqa comment",
    "# ruff: enable[E501]",
    "# ruff: isort: skip",
    "# isort: skip_file",
    "# fmt: off",
    "# pylint: enable=all",
    "# mypy: strict",
    "# mypy: ignore-errors=False",
    "# pyright: strict",
    "# pyright: reportFoo=true",
    "# pyright: basic",
    "# pragma: cover",
    "# pragma: once",
    "# no cover",
    "# NOSEC",
    "# no secret",
    "# the type: ignore of old",
    "# pylint: load-plugins=x",
    "# a pragma about cover",
    "# flake8 noqa",
    "# ruff noqa",
    "# warnings.simplefilter('ignore')",
    "# except: pass",
    "# all types: ignore[x]",
    "# here `# type: ignore` is what helps",
    "# pragma : no cover",
    "# pylint: enable=all, a",
    "# mypy: disallow-any-generics",
    "# ---- type ----",
]

_IN_STRINGS = [
    'x = "# noqa"',
    "x = '# type: ignore'",
    'x = """\n# noqa\n# type: ignore\n"""',
    "def f():\n    '''Use `# noqa` here.  # noqa'''\n",
    'x = r"a\\\\"  # fine\ny = "# noqa"',
    'x = "\\"# noqa"',
    "x = 'it\\'s # noqa'",
    'x = f"# noqa {1}"',
    "x = b'# nosec'",
    'x = ("a"\n     "# type: ignore")',
    'x = """a "quoted" # noqa"""',
    'x = """ends in a quote # noqa \\""""',
    "x = rb'''# ruff: noqa'''",
    'x = "a\\\n# noqa"',
    'x = "except: pass"',
    'x = """\ntry:\n    f()\nexcept: pass\n"""',
    'x = """\nimport warnings\nwarnings.simplefilter("ignore")\n"""',
    "x = 'suppress(Exception)'",
    'x = """# mypy: ignore-errors\n# pylint: skip-file\n# flake8: noqa\n"""',
    'x = "PYTHONWARNINGS=ignore"',
    'def f():\n    """Example:\n\n        try:\n            g()\n        except Exception:\n            pass\n    """\n',
    'x = "#" "# noqa"',
    "x = {'# noqa': '# nosec'}",
    'x = u"# noqa"',
    'x = "\\\\"\ny = "# noqa"',
    "x = ''''''\ny = '# noqa'",
    'x = ""\ny = "" "# noqa"',
]

_TRY = "try:\n    f()\n"
_WARN = "import warnings\n"
_ALIASED = [
    ("from contextlib import suppress as quiet\n", "quiet(Exception)"),
    ("from contextlib import (\n    ExitStack,\n    suppress as quiet,\n)\n", "quiet(Exception)"),
    ("from contextlib import ExitStack, \\\n    suppress as quiet\n", "quiet(Exception)"),
    ("import contextlib as c\n", "c.suppress(Exception)"),
    ("import os, contextlib as c\n", "c.suppress(Exception)"),
    ("c = contextlib\n", "c.suppress(Exception)"),
    ("quiet = contextlib.suppress\n", "quiet(Exception)"),
    ("quiet = suppress\n", "quiet(\n    ValueError,\n    BaseException,\n)"),
    ("quiet: type[suppress] = contextlib . suppress  # why\n", "quiet(Exception)"),
    ("quiet = (\n    contextlib.suppress\n)\n", "quiet(Exception)"),
    ("quiet = silent = suppress\n", "silent(Exception)"),
    ("quiet = silent = suppress\n", "quiet(Exception)"),
    ("import contextlib as c\nquiet = c.suppress\nhush = quiet\n", "hush(Exception)"),
    ("quiet = suppress if strict else nullcontext\n", "quiet(Exception)"),
    ("print(quiet := suppress)\n", "quiet(Exception)"),
    ("E = Exception\n", "suppress(E)"),
    ("from builtins import Exception as E\n", "suppress(ValueError, E)"),
    ("ERRORS = (ValueError, Exception)\n", "suppress(*ERRORS)"),
]
_NOT_ALIASED = [
    ("from contextlib import suppress as quiet\n", "quiet(ValueError)"),
    ("quiet = contextlib.suppress(ValueError)\n", "quiet(Exception)"),
    ("same = quiet == suppress\n", "quiet(Exception)"),
    ("import log as c\n", "c.suppress(Exception)"),
    ("x = 'contextlib.suppress as quiet'\n", "quiet(Exception)"),
    ("from contextlib import suppress\nfrom own import quiet\n", "quiet(Exception)"),
    ("with suppress(ValueError) as quiet:\n    g()\n", "quiet(Exception)"),
]
ABOVE = "# -- why; until=2028-01-01\n"
_INI = [
    (".flake8", "flake8", "ignore", "E501"),
    ("setup.cfg", "flake8", "per-file-ignores", "a.py: E501"),
    ("mypy.ini", "mypy", "disable_error_code", "misc"),
    ("mypy.ini", "mypy-foo.*", "ignore_missing_imports", "True"),
    ("pytest.ini", "pytest", "filterwarnings", "ignore::UserWarning"),
    ("tox.ini", "pytest", "addopts", "-p no:warnings"),
    (".coveragerc", "report", "exclude_also", "def __repr__"),
    (".coveragerc", "run", "omit", "x.py"),
    (".bandit", "bandit", "skips", "B101"),
    ("tox.ini", "testenv", "setenv", "PYTHONWARNINGS = ignore"),
]
_CODE = [
    # swallowed exceptions
    Case(_TRY + "except:\n    pass\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    pass\n", ("SUP010",)),
    Case(_TRY + "except Exception: pass\n", ("SUP010",)),
    Case(_TRY + "except BaseException as error:\n    pass\n", ("SUP010",)),
    Case(_TRY + "except (ValueError, Exception):\n    pass\n", ("SUP010",)),
    Case(_TRY + "except (\n    ValueError,\n    Exception,\n):\n    pass\n", ("SUP010",)),
    Case(_TRY + "except builtins.Exception:\n    pass\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    # why not\n    pass\n", ("SUP010",)),
    Case(_TRY + "except Exception:  # why not\n    pass  # really\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    ...\n", ("SUP010",)),
    Case(_TRY + 'except Exception:\n    "never mind"\n    pass\n', ("SUP010",)),
    Case(_TRY + "except* Exception:\n    pass\n", ("SUP010",)),
    Case("for x in y:\n    try:\n        f()\n    except Exception:\n        continue\n", ("SUP010",)),
    Case("for x in y:\n    try:\n        f()\n    except:\n        continue\n    g()\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    pass\nelse:\n    g()\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n\n\n    pass\n\n\nfinally:\n    g()\n", ("SUP010",)),
    Case("def f():\n\ttry:\n\t\tg()\n\texcept Exception:\n\t\tpass\n\treturn 1\n", ("SUP010",)),
    Case("try:\r\n    f()\r\nexcept Exception:\r\n    pass\r\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    pass;\n", ("SUP010",)),
    Case(_TRY + "except Exception:\n    pass", ("SUP010",)),
    Case("from contextlib import suppress\nwith suppress(Exception):\n    f()\n", ("SUP010",)),
    Case("with contextlib.suppress(ValueError, Exception):\n    f()\n", ("SUP010",)),
    Case("with suppress(\n    BaseException,\n):\n    f()\n", ("SUP010",)),
    Case(_TRY + "except ValueError:\n    pass\n"),
    Case(_TRY + "except Exception:\n    log()\n"),
    Case(_TRY + "except Exception:\n    pass\n    log()\n"),
    Case(_TRY + "except Exception: pass; log()\n"),
    Case(_TRY + "except Exception:\n    raise\n"),
    Case(_TRY + "except Exception:\n    passed = 1\n"),
    Case(_TRY + "except (KeyError, ValueError):\n    pass\n"),
    Case(_TRY + "except *Exception:\n    pass\n", ("SUP010",)),
    Case(_TRY + "except (KeyError, (ValueError, (Exception,))):\n    pass\n", ("SUP010",)),
    Case(_TRY + "except pytest.fail.Exception:\n    pass\n"),
    Case(_TRY + "except (queue.Empty, twisted.Exception):\n    pass\n"),
    Case("with suppress(KeyError, (ValueError, (Exception,))):\n    f()\n", ("SUP010",)),
    Case("quiet = lambda: suppress(pytest.fail.Exception)\n"),
    Case(_TRY + "except MyException:\n    pass\n"),
    Case(_TRY + "except ExceptionGroup:\n    pass\n"),
    Case("exceptions: int\npass\n"),
    Case("def except_all():\n    pass\n"),
    Case("x = d['except']\n"),
    Case("with suppress(ValueError):\n    f()\n"),
    Case("def suppress(Exception):\n    f()\n"),
    Case("log.suppress(Exception)\n"),
    Case("class suppress(Exception):\n    x = 1\n"),
    # the same by other names
    *(Case(f"{head}with {call}:\n    f()\n", ("SUP010",)) for head, call in _ALIASED),
    *(Case(f"{head}with {call}:\n    f()\n") for head, call in _NOT_ALIASED),
    Case("from contextlib import suppress as quiet\nstack.enter_context(quiet(Exception))\n", ("SUP010",)),
    Case(
        "class A:\n    quiet = contextlib.suppress\n    def f(self):\n        with self.quiet(Exception):\n            g()\n",
        ("SUP010",),
    ),
    Case("quiet = partial(contextlib.suppress, Exception)\n", ("SUP010",)),
    Case("quiet = functools.partial(suppress, ValueError)\n"),
    Case("E = Exception\n" + _TRY + "except E:\n    pass\n", ("SUP010",)),
    Case("ERRORS = (ValueError, Exception)\n" + _TRY + "except ERRORS:\n    pass\n", ("SUP010",)),
    Case(
        "from builtins import BaseException as B\n" + _TRY + "except (KeyError, B):\n    pass\n", ("SUP010",)
    ),
    Case("ERRORS = (ValueError, KeyError)\n" + _TRY + "except ERRORS:\n    pass\n"),
    Case(_TRY + "except Exception as error:\n    log()\n" + _TRY + "except error:\n    pass\n"),
    Case("error = Exception('x')\n" + _TRY + "except error:\n    pass\n"),
    Case("class MyError(Exception): ...\n" + _TRY + "except MyError:\n    pass\n"),
    Case("from warnings import simplefilter as quiet\ndef f():\n    quiet('ignore')\n", ("SUP008",)),
    Case("import warnings as w\ndef f():\n    w.filterwarnings('ignore')\n", ("SUP008",)),
    Case("quiet = warnings.simplefilter\nquiet('ignore')\n", ("SUP009",)),
    Case(
        "from warnings import catch_warnings as caught\nwith caught(action='ignore'):\n    f()\n", ("SUP008",)
    ),
    Case(
        "from warnings import catch_warnings as caught, simplefilter as quiet\ndef f():\n    with caught():\n        quiet('ignore', ResourceWarning)\n"
    ),
    Case("import urllib3 as u\nu.disable_warnings()\n", ("SUP008",)),
    Case("from urllib3 import disable_warnings as hush\nhush()\n", ("SUP008",)),
    Case("from pytest import mark as m\n@m.filterwarnings('ignore')\ndef test(): ...\n", ("SUP008",)),
    Case("from logging import captureWarnings as capture\ncapture(True)\n", ("SUP016",)),
    Case("from os import environ as env\nenv['PYTHONWARNINGS'] = 'ignore'\n", ("SUP012",)),
    Case("env = os.environ\nenv.setdefault('PYTHONWARNINGS', 'ignore')\n", ("SUP012",)),
    Case("settings['PYTHONWARNINGS'] = 'ignore'\nprint(os.environ)\n"),
    # warnings
    Case(_WARN + "def f():\n    warnings.simplefilter('ignore')\n", ("SUP008",)),
    Case(_WARN + "def f():\n    warnings.filterwarnings('ignore')\n", ("SUP008",)),
    Case(_WARN + 'def f():\n    warnings.filterwarnings("ignore", category=Warning)\n', ("SUP008",)),
    Case(
        _WARN + 'def f():\n    warnings.filterwarnings("ignore", category=DeprecationWarning)\n', ("SUP008",)
    ),
    Case(_WARN + 'def f():\n    warnings.filterwarnings("ignore", message="old")\n', ("SUP008",)),
    Case(_WARN + 'def f():\n    warnings.filterwarnings(action="ignore", module="x")\n', ("SUP008",)),
    Case(_WARN + 'def f():\n    warnings.simplefilter("ignore", DeprecationWarning)\n', ("SUP008",)),
    Case(_WARN + 'with warnings.catch_warnings():\n    warnings.simplefilter("ignore")\n', ("SUP008",)),
    Case(_WARN + "def f():\n    with warnings.catch_warnings(action='ignore'):\n        g()\n", ("SUP008",)),
    Case(
        "from warnings import simplefilter\ndef f():\n    simplefilter(\n        'ignore',\n    )\n",
        ("SUP008",),
    ),
    Case("@pytest.mark.filterwarnings('ignore')\ndef test(): ...\n", ("SUP008",)),
    Case("@pytest.mark.filterwarnings('ignore::DeprecationWarning')\ndef test(): ...\n", ("SUP008",)),
    Case("urllib3.disable_warnings()\n", ("SUP008",)),
    Case(
        _WARN
        + "def f():\n    with (\n        warnings.catch_warnings(),\n        g() as h,\n    ):\n"
        + "        warnings.simplefilter('ignore', ResourceWarning)\n"
    ),
    Case(
        _WARN
        + "def f():\n    with warnings.catch_warnings(): warnings.simplefilter('ignore', ResourceWarning)\n"
    ),
    Case(_WARN + "quiet = lambda: warnings.filterwarnings('ignore', 'old', DeprecationWarning)\n"),
    Case(_WARN + "quiet = lambda: warnings.simplefilter('ignore')\n", ("SUP008",)),
    Case(_WARN + "quiet = functools.partial(warnings.simplefilter, 'ignore')\nquiet()\n", ("SUP009",)),
    Case("import warnings as w\nquiet = w.filterwarnings\nquiet('ignore')\n", ("SUP009",)),
    Case("requests.packages.urllib3.disable_warnings(InsecureRequestWarning)\n", ("SUP008",)),
    Case(_WARN + "warnings.simplefilter('ignore')\n", ("SUP009",)),
    Case(_WARN + "warnings.filterwarnings('ignore', category=DeprecationWarning, module='x')\n", ("SUP009",)),
    Case(_WARN + "if True:\n    warnings.simplefilter('ignore')\n", ("SUP009",)),
    Case(_WARN + "class A:\n    warnings.simplefilter('ignore', UserWarning)\n", ("SUP009",)),
    Case(
        _WARN + "try:\n    import x\nexcept ImportError:\n    warnings.filterwarnings('ignore')\n",
        ("SUP009",),
    ),
    Case(_WARN + "if __name__ == '__main__':\n    warnings.simplefilter('ignore')\n", ("SUP008",)),
    Case(_WARN + "def f():\n    warnings.filterwarnings('ignore', 'old', DeprecationWarning)\n"),
    Case(
        _WARN + "def f():\n    warnings.filterwarnings('ignore', category=DeprecationWarning, module='x')\n"
    ),
    Case(
        _WARN
        + "def f():\n    with warnings.catch_warnings():\n        warnings.simplefilter('ignore', ResourceWarning)\n"
    ),
    Case(
        _WARN
        + "def f():\n    with warnings.catch_warnings(action='ignore', category=DeprecationWarning):\n        g()\n"
    ),
    Case(_WARN + "warnings.simplefilter('error')\n"),
    Case(_WARN + "warnings.filterwarnings('always')\n"),
    Case(_WARN + "warnings.simplefilter(action)\n"),
    Case("@pytest.mark.filterwarnings('error')\ndef test(): ...\n"),
    Case("@pytest.mark.filterwarnings('ignore:old:DeprecationWarning')\ndef test(): ...\n"),
    Case("def simplefilter(action='ignore'):\n    return action\n"),
    Case("my_simplefilter('ignore')\n"),
    Case("os.environ['PYTHONWARNINGS'] = 'ignore'\n", ("SUP012",)),
    Case("os.environ.setdefault('PYTHONWARNINGS', 'ignore::UserWarning')\n", ("SUP012",)),
    Case("os.environ['PYTHONWARNINGS'] = 'error'\n"),
    Case("print(os.environ['PYTHONWARNINGS'])\n"),
    Case("logging.captureWarnings(True)\n", ("SUP016",)),
    Case(
        "logging.basicConfig()\nlogging.captureWarnings(True)\nlogging.getLogger('py.warnings').disabled = True\n",
        ("SUP016",),
    ),
    Case("logging.captureWarnings(capture=True)\n", ("SUP016",)),
    Case("logging.basicConfig(level=10)\nlogging.captureWarnings(True)\n"),
    Case("logging.captureWarnings(False)\n"),
    # several at once, places
    Case("import x  # type: ignore  # noqa\n", ("SUP001", "SUP004")),
    Case("import x  # type: ignore[x]  # noqa: F401 -- both; until=2028-01-01\n"),
    Case("#!/usr/bin/python -W ignore\nx = 1\n", ("SUP012",)),
    Case("#!/usr/bin/env -S python3 -Wi\nx = 1\n", ("SUP012",)),
    Case("#!/usr/bin/python -W error\nx = 1\n"),
    Case("\ufeffx = 1  # noqa\n", ("SUP001",)),
    Case("# a\rx = 1  # noqa\r", ("SUP001",)),
    Case("def f(:\n", ("SUP000",)),
    Case('x = """never closed\n', ("SUP000",)),
    Case("x = 'never closed\n", ("SUP000",)),
    Case("x = 1\0  # noqa\n", ("SUP000",)),
    Case("# coding: no-such-codec\nx = 1\n", ("SUP000",)),
    Case("# -*- coding: utf-8-unix -*-\nx = 1  # noqa\n", ("SUP001",)),
    Case("# -*- coding: UTF_8-dos -*-\nx = 'é'\n"),
    Case("# -*- coding: latin-1-unix -*-\nx = 1\n"),
    Case("x = 1\n# the encoding: whatever the file says\n"),
    Case("import os\n# coding: no-such-codec\n"),
    Case("\n# coding: no-such-codec\n", ("SUP000",)),
    Case("#!/bin/sh\n# coding: whatever\npython -W ignore app.py\n", ("SUP012",), "run"),
    Case(
        '{\n  "reportMissingImports": "none", // why\n  /* or\n  not */ "x": ["a,]", ],\n}\n',
        ("SUP011",),
        "pyrightconfig.json",
    ),
    Case('{"x": "// no comment", "y": "/*"}', (), "pyrightconfig.json"),
    Case("{", ("SUP000",), "pyrightconfig.json"),
    Case("x = (1\n", ("SUP000",)),
    Case(""),
    Case("x = 1\n"),
    # configuration
    Case("[tool.ruff.lint]\nignore = [\n  'D203',\n  'E501',\n]\n", ("SUP011", "SUP011"), "pyproject.toml"),
    Case("[tool.ruff]\nextend-ignore = ['D203']\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.ruff.lint.per-file-ignores]\n'tests/*' = ['S101']\n", ("SUP011",), "pyproject.toml"),
    Case("[lint]\nignore = ['D203']\n", ("SUP011",), "ruff.toml"),
    Case("[tool.mypy]\nignore_missing_imports = true\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.mypy]\nignore_errors = false\n", (), "pyproject.toml"),
    Case(
        "[[tool.mypy.overrides]]\nmodule = ['a.*', 'b']\nignore_errors = true\n",
        ("SUP011", "SUP011"),
        "pyproject.toml",
    ),
    Case("[tool.mypy]\ndisable_error_code = ['misc']\n", ("SUP011",), "pyproject.toml"),
    Case(
        "[tool.pytest.ini_options]\nfilterwarnings = ['error', 'ignore::DeprecationWarning']\n",
        ("SUP011",),
        "pyproject.toml",
    ),
    Case("[tool.pytest.ini_options]\naddopts = '-p no:warnings'\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.pytest.ini_options]\naddopts = ['-W', 'ignore']\n", ("SUP011",), "pyproject.toml"),
    Case(
        "[tool.coverage.report]\nexclude_also = ['raise NotImplementedError']\n",
        ("SUP011",),
        "pyproject.toml",
    ),
    Case("[tool.coverage.run]\nomit = ['x.py']\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.pylint.'messages control']\ndisable = ['all']\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.pylint.MAIN]\ndisable = ['all']\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.pylint]\ndisable = 'x'\n", ("SUP011",), "pyproject.toml"),
    Case("[report]\nexclude_also = ['raise X']\n", ("SUP011",), ".coveragerc.toml"),
    Case("[tool.coverage.run]\nomit = ['x.py']\n", ("SUP011",), ".coveragerc.toml"),
    Case("[tool.pyright]\nreportMissingImports = false\n", ("SUP011",), "pyproject.toml"),
    Case("[tool.bandit]\nskips = ['B101']\n", ("SUP011",), "pyproject.toml"),
    Case(
        "[tool.ruff.lint]\nignore = [\n  'D203',  # -- the formatter's; until=2028-01-01\n]\n",
        (),
        "pyproject.toml",
    ),
    Case(
        "[tool.ruff.lint]\nignore = [\n  'D203',  # -- the formatter's; until=never\n]\n",
        (),
        "pyproject.toml",
    ),
    Case(
        "[tool.ruff.lint]\nignore = [\n  'D203',  # -- the formatter's; until=2020-01-01\n]\n",
        ("SUP014",),
        "pyproject.toml",
    ),
    Case("[tool.ruff.lint]\nselect = ['ALL']\n", (), "pyproject.toml"),
    Case("[tool.black]\nignore = ['x']\n", (), "pyproject.toml"),
    Case("[tool.ruff\n", ("SUP000",), "pyproject.toml"),
    # a reason in an INI file, where a comment at the end of a line is part of the value
    *(Case(f"[{section}]\n{ABOVE}{key} = {value}\n", (), path) for path, section, key, value in _INI),
    *(
        Case(f"[{section}]\n{key} =\n    {ABOVE}    {value}\n", (), path)
        for path, section, key, value in _INI
        if value != "True"
    ),
    *(
        Case(f"[{section}]\n{key} = {value}  # -- why; until=2028-01-01\n", ("SUP017",), path)
        for path, section, key, value in _INI
    ),
    Case("[flake8]\nignore =\n    # -- E501 is a table; until=2028-01-01\n    E501\n", (), ".flake8"),
    Case("[flake8]\n# -- why; until=2020-01-01\nignore = E501\n", ("SUP014",), ".flake8"),
    Case("[flake8]\n# -- why; until=2028-01-01\n\nignore = E501\n", ("SUP011",), ".flake8"),
    Case("[flake8]\n; -- why; until=2028-01-01\nignore = E501\n", (), ".flake8"),
    Case(
        "[flake8]\nextend-ignore =\n    # -- why; until=2028-01-01\n    E501\n    W503\n",
        ("SUP011",),
        ".flake8",
    ),
    Case("[tool.mypy]\n# -- why; until=2028-01-01\nignore_errors = true\n", (), "pyproject.toml"),
    Case('{\n  // -- why; until=2028-01-01\n  "reportMissingImports": "none"\n}', (), "pyrightconfig.json"),
    Case("[flake8]\nignore = E501,W503\n", ("SUP011", "SUP011"), ".flake8"),
    Case("[flake8]\nper-file-ignores =\n    a.py: E501\n", ("SUP011",), "setup.cfg"),
    Case("[mypy]\nstrict = true\n[mypy-foo.*]\nignore_missing_imports = True\n", ("SUP011",), "mypy.ini"),
    Case("[pytest]\nfilterwarnings =\n    error\n    ignore::UserWarning\n", ("SUP011",), "pytest.ini"),
    Case("[tool:pytest]\naddopts = --disable-warnings -q\n", ("SUP011",), "setup.cfg"),
    Case(
        "[report]\nexclude_lines =\n    pragma: no cover\n    def __repr__\n",
        ("SUP011", "SUP011"),
        ".coveragerc",
    ),
    Case("[MESSAGES CONTROL]\ndisable=all\n", ("SUP011",), ".pylintrc"),
    Case("[testenv]\nsetenv =\n    PYTHONWARNINGS = ignore\n", ("SUP011",), "tox.ini"),
    Case("[testenv]\ncommands = pytest -q\n", (), "tox.ini"),
    Case('{"reportMissingImports": "none"}', ("SUP011",), "pyrightconfig.json"),
    # command lines
    Case("FROM python\nENV PYTHONWARNINGS=ignore\n", ("SUP012",), "Dockerfile"),
    Case("FROM python\nENV PYTHONWARNINGS ignore\n", ("SUP012",), "Dockerfile.web"),
    Case('CMD ["python", "-W", "ignore", "app.py"]\n', ("SUP012",), "Dockerfile"),
    Case("env:\n  PYTHONWARNINGS: ignore\n", ("SUP012",), ".github/workflows/ci.yml"),
    Case("run: pytest --disable-pytest-warnings\n", ("SUP012",), "ci.yaml"),
    Case("run: pytest --pythonwarnings=ignore::UserWarning\n", ("SUP012",), "ci.yaml"),
    Case("run: pytest --pythonwarnings ignore\n", ("SUP012",), "ci.yaml"),
    Case("run: pytest --pythonwarnings error\n", (), "ci.yaml"),
    Case("export PYTHONWARNINGS := ignore\n", ("SUP012",), "Makefile"),
    Case("PYTHONWARNINGS ?= ignore\n", ("SUP012",), "Makefile"),
    Case("test:\n\tpython -bWignore app.py\n", ("SUP012",), "Makefile"),
    Case("run: pytest -p no:warnings\n", ("SUP012",), "ci.yaml"),
    Case("test:\n\tpython -Wignore -m pytest\n", ("SUP012",), "Makefile"),
    Case("export PYTHONWARNINGS='default,ignore::UserWarning'\n", ("SUP012",), "run.sh"),
    Case("PYTHONWARNINGS=error pytest\n", (), "run.sh"),
    Case("# PYTHONWARNINGS=ignore\n", (), "run.sh"),
    Case("gcc -Wall -W -Wextra\n", (), "Makefile"),
    Case("pytest -W error\n", (), "Makefile"),
    Case("PYTHONWARNINGS: default\n", (), "ci.yml"),
]


def cases() -> list[tuple[str, Case]]:
    """All of them, with a name each."""
    found = [
        (f"{check} {comment}", Case(f"x = 1  {comment}\n", (check,)))
        for check, comments in _COMMENTS.items()
        for comment in comments
    ]
    found += [(f"fine {comment}", Case(f"x = 1  {comment}\n")) for comment in _FINE_COMMENTS]
    found += [(f"in a string {number}", Case(text)) for number, text in enumerate(_IN_STRINGS)]
    found += [(f"code {number}", case) for number, case in enumerate(_CODE)]
    return found
