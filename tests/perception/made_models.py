"""Small trained models for tests, made once each."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError


def train(*words):
    """What `covary train` says to these words, and its exit code."""
    done = CliRunner().invoke(build("train"), ["train", *map(str, words)])
    if isinstance(done.exception, InputError):
        return 2, str(done.exception)
    return done.exit_code, done.output


@cache
def state_model(task: str = "reacher", *words: str) -> Path:
    """The folder of a state model that was trained for a moment."""
    out = Path(mkdtemp(prefix="covary-model-")) / task
    given = (f"task:={task}", "interaction:=300", "steps:=6", "batch:=64", "width:=32")
    code, said = train("state_model", *given, *words, "validate_every:=3", f"out:={out}")
    assert code == 0, said
    return out
