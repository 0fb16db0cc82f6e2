"""`covary`: imports the one command that is asked for, so that `covary --help` is fast.

`commands/NAME.py` holds a function NAME (or, for a command with parts, a typer `app`).
"""

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from ..nodes.launching.yaml_loader import InputError, in_a_line, nearest

COMMANDS = {
    "launch": "Start what a launch file describes, and supervise it to its end.",
    "collect": "Collect demonstrations with a launch file into a dataset; again: go on with it.",
    "train": "Train a policy on a dataset; again: go on with it.",
    "evaluate": "Say how good a policy or a planner is in a task, and from where it succeeds.",
    "tune": "Tune a planner's parameters by trials in lockstep; again: go on with it.",
    "check": "Check a launch file and everything it names without starting anything.",
    "graph": "Draw the nodes and topics of a launch file, here or as mermaid text.",
    "topic": "List, print or measure the topics of a running launch.",
    "service": "List or call the services of a running launch, such as /stop.",
    "param": "List, get or set what a running node can be told, such as samples.",
    "audit": "Say how exact a planner is: its model, costs, limits and plans.",
    "grade": "Grade a task's declared symmetry, component by component.",
    "info": "Show what a recording, a dataset (in pictures too) or a policy holds.",
    "view": "Draw a recording as an SVG file, or show it or a launch in a live page.",
    "replay": "Do a recording again and name the first difference.",
    "export": "Write a dataset for other tools: LeRobot, robomimic, Minari; a policy as ONNX.",
    "robot": "Write the URDF or MJCF of a robot of the tabletop.",
    "recover": "Mend a recording whose recorder was killed.",
    "doctor": "Show what is installed, what is missing, and what to type.",
}
"""The commands and what `covary --help` says of each."""


def main() -> None:
    """Runs the command line; the entry point of the `covary` script."""
    _own_path_last()
    words = sys.argv[1:]
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        hint = nearest(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        _fail(f"no command '{name}'{hint}")
    try:
        sys.exit(build(name)(standalone_mode=False) or 0)
    except InputError as error:
        _fail(str(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # else it is typer's, about the words
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been shown
            sys.exit(2)
        _fail(in_a_line(f"covary {name}: {_usage(error)}" if name else f"covary: {_usage(error)}"))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `covary graph push | head` is nobody's mistake
        sys.stderr.close()
        sys.exit(1)


def _usage(error: Any) -> str:
    """What is wrong with the words of a command, where typer would draw a box of several lines."""
    option, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    if not (option and context) or "No such option" not in error.message:
        return f"{error.format_message().rstrip('.')}; see --help"
    known = [word for parameter in context.command.params for word in parameter.opts]
    known = [word for word in (*known, "--help") if word.startswith("-")]
    hint = nearest(option, known) or f"; it has {', '.join(dict.fromkeys(known))}"
    return f"no option '{option}'{hint}"


def build(wanted: str | None) -> typer.Typer:
    """The application with one command real and the others there by name and summary."""
    app = typer.Typer(
        name="covary",
        help="Simulation, planners and policies as processes that share one declared symmetry.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_version)
    for name, summary in COMMANDS.items():
        if name != wanted:
            app.command(name, help=summary)(_absent)
            continue
        module = import_module(f".{name}", __package__)
        if hasattr(module, "app"):
            for command in module.app.registered_commands:
                command.callback = _interruptible(command.callback)
            app.add_typer(module.app, name=name, help=summary)
        else:
            app.command(name)(_interruptible(getattr(module, name)))
    return app


def _interruptible(command: Callable) -> Callable:
    """The command with 130 for Ctrl-C, as in every shell, where typer would say 1 and "Aborted"."""

    @functools.wraps(command)
    def run(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return run


def _absent() -> None:
    """Stands for a command that was not asked for."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"covary {version('covary')}")
        raise typer.Exit()


def _version(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


def _own_path_last() -> None:
    """Puts the working folder on the module path, so an outsider's `my_file:MyClass` is found.

    Last, so that no file of the user's hides a module of Python's or of ours.
    """
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        _fail("the working folder does not exist any more; go to another one")
    if here not in sys.path:
        sys.path.append(here)


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
