"""Arrays of an npz file that somebody else wrote: plain ones, or one line that there are none."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..nodes.launching.yaml_loader import InputError

_BROKEN = (
    OSError,
    ValueError,
    TypeError,  # an npy file
    AttributeError,  # a pickle
    EOFError,
    RuntimeError,  # encrypted, or packed by a method that zipfile does not know
    MemoryError,  # a header that claims more than there is
    OverflowError,  # or more than can be counted
    lzma.LZMAError,
    tokenize.TokenError,  # a header that is no literal
    zipfile.BadZipFile,
    zlib.error,
)


def npz_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name; nothing in it is run.

    Raises:
        InputError: It is none, is broken, or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except _BROKEN as error:
        said = "it is no npz file of plain arrays, such as np.savez(path, name=array) writes"
        raise InputError(said, str(path)) from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy hands over what has no header as bytes
            raise InputError(f"'{name}' is no array", str(path))
    return arrays
