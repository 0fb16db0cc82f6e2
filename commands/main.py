"""`covary`: imports the one command that is asked for, so that `covary --help` is fast.

`commands/NAME.py` holds a function NAME (or, for a command with parts, a typer `app`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from . import interrupts  # and nothing that takes time: Ctrl-C may come while it is imported

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

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
    "audit": "Say how true a symmetry is: of a task, a dataset, arrays or a planner.",
    "discover": "Find which group moves data into themselves, and hold it to tests.",
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

_CHECK_FIRST = {"launch", "collect", "train", "evaluate", "tune", "check", "audit"}
"""Those that import what others wrote, and say themselves from when on Ctrl-C is waited for."""


def main() -> None:
    """Runs the command line; the entry point of the `covary` script."""
    ours = interrupts.end_at_once()
    try:
        _main()
    finally:
        if ours:
            interrupts.end_in_order()


def _main() -> None:
    from ..nodes.launching.yaml_loader import InputError, in_a_line, nearest

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
        sys.exit(interrupts.CODE)
    except BrokenPipeError:  # `covary graph push | head` is nobody's mistake
        sys.stderr.close()
        sys.exit(1)


def _usage(error: Any) -> str:
    """What is wrong with the words of a command, where typer would draw a box of several lines."""
    from ..nodes.launching.yaml_loader import nearest

    option, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    if not (option and context) or "No such option" not in error.message:
        return f"{error.format_message().rstrip('.')}; see --help"
    known = [word for parameter in context.command.params for word in parameter.opts]
    known = [word for word in (*known, "--help") if word.startswith("-")]
    hint = nearest(option, known) or f"; it has {', '.join(dict.fromkeys(known))}"
    return f"no option '{option}'{hint}"


def build(wanted: str | None) -> typer.Typer:
    """The application with one command real and the others there by name and summary."""
    from importlib import import_module

    import typer

    app = typer.Typer(
        name="covary",
        help="Simulation, perception, planners and policies that share one declared symmetry.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    said = "Show the version."
    shown = typer.Option(False, "--version", callback=_print_version, is_eager=True, help=said)

    def version(version: bool = shown) -> None:
        pass

    app.callback()(version)
    for name, summary in COMMANDS.items():
        if name != wanted:
            app.command(name, help=summary)(_absent)
            continue
        module = import_module(f".{name}", __package__)
        if hasattr(module, "app"):
            for command in module.app.registered_commands:
                command.callback = _interruptible(name, command.callback)
            app.add_typer(module.app, name=name, help=summary)
        else:
            app.command(name)(_interruptible(name, getattr(module, name)))
    return app


def _interruptible(name: str, command: Callable) -> Callable:
    """The command with 130 for Ctrl-C, as in every shell, where typer would say 1 and "Aborted"."""
    import functools

    import typer

    @functools.wraps(command)
    def run(*args, **kwargs):
        if name not in _CHECK_FIRST:
            interrupts.end_in_order()
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(interrupts.CODE) from None

    return run


def _absent() -> None:
    """Stands for a command that was not asked for."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        import typer

        print(f"covary {version('covary')}")
        raise typer.Exit()


def _own_path_last() -> None:
    """Puts the working folder on the module path, so an outsider's `my_file:MyClass` is found.

    Last, so that no file of the user's hides a module of Python's or of ours.
    """
    import os

    try:
        here = os.getcwd()
    except FileNotFoundError:
        _fail("the working folder does not exist any more; go to another one")
    if here not in sys.path:
        sys.path.append(here)


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
