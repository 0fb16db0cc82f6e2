"""A broken npz file, or what is none at all: one line, and nothing is run."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from covary.commands.npz_file import npz_arrays
from covary.nodes.launching.yaml_loader import InputError

SOME = np.random.default_rng(0).standard_normal((100, 3))


def packed(*members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression=method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return bytearray(file.getvalue())


def saved(array=SOME):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(header):
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def changed(local, central, value):
    """An archive in whose two headers a field is set."""
    data = packed(("points.npy", saved()))
    data[local] = data[data.find(b"PK\x01\x02") + central] = value
    return data


def corrupt():
    data = packed(("points.npy", saved()))
    data[200:260] = b"\xff" * 60
    return data


LARGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 100, 2)}"
CODE = "{'descr': open('ran', 'w'), 'fortran_order': False, 'shape': (3,)}"
BROKEN = {
    "nothing": b"",
    "text": b"points",
    "an npy file": saved(),
    "a pickle": pickle.dumps({"points": SOME}),
    "a part": packed(("points.npy", saved()[:500])),
    "no header": packed(("points.npy", b"points")),
    "objects": packed(("points.npy", saved(np.array([{}], dtype=object)))),
    "too large": packed(("points.npy", claiming(LARGE))),
    "code": packed(("points.npy", claiming(CODE))),
    "no literal": packed(("points.npy", claiming("{'shape': (3,"))),
    "corrupt": corrupt(),
    "encrypted": changed(6, 8, 1),
    "packed otherwise": changed(8, 10, 99),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.npz").write_bytes(BROKEN[kind])
    with pytest.raises(InputError, match="no npz file of plain arrays|is no array") as caught:
        npz_arrays(tmp_path / "some.npz")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_what_is_whole_is_read(tmp_path):
    np.savez(tmp_path / "some.npz", points=SOME, episode=np.arange(100))
    found = npz_arrays(tmp_path / "some.npz")
    assert set(found) == {"points", "episode"} and np.array_equal(found["points"], SOME)
