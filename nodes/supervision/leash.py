"""Runs a command that dies with its starter: ``python leash.py PARENT COMMAND ...``.

Linux kills a process with ``PR_SET_PDEATHSIG`` when its parent's thread ends, however that came
about, so a launcher that is killed outright leaves nobody behind. The setting survives exec, which
is why this small program goes first: nothing has to run between fork and exec in a process with
threads.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Sets the leash, makes sure the parent still lives, and becomes the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
