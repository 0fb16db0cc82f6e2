"""Ctrl-C before a command has begun its work ends it at once, whatever is being imported.

An exception would do for most moments, but a library that is interrupted in its import may swallow
it or make another of it, and then a person's Ctrl-C ends as a mistake in a launch file.
"""

import os
import signal

CODE = 130
"""What a shell makes of a program that Ctrl-C has ended."""


def _end(*_: object) -> None:
    os._exit(CODE)  # nothing has begun, so there is nothing to end in order


def end_at_once() -> bool:
    """From now on Ctrl-C ends the process, unless somebody has said what it does; whether so."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end)
            return True
    except ValueError:  # in a thread nobody interrupts it
        pass
    return False


def end_in_order() -> None:
    """From now on it is a KeyboardInterrupt again: there is something to be left whole."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
