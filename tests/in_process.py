"""Commands as a person types them, within this process: nothing is imported again for them."""

import contextlib
import io
import os
import subprocess
import sys

import pytest

from covary.commands.main import main


def environment(**more):
    return {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **more}


def covary_here(place, *words):
    """Runs one command to its end, as in a process of its own: what it said, and its exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(place)
        for name in ("COLUMNS", "NO_COLOR"):  # rich looks into the mapping of its own import
            patch.setenv(name, environment()[name])
        patch.setattr(os, "environ", environment())
        patch.setattr(sys, "argv", ["covary", *map(str, words)])
        patch.setattr(sys, "path", [*sys.path])
        modules = set(sys.modules)
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        for name in set(sys.modules) - modules:  # an outsider's files are this call's alone
            if not name.startswith("covary") and _lies_in(place, sys.modules[name]):
                del sys.modules[name]
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _lies_in(place, module):
    return str(getattr(module, "__file__", None) or "").startswith(f"{place}/")
