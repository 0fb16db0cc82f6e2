"""The mismatch suite's networks: exact ones keep to the claim, are of one size, and can learn."""

import numpy as np
import pytest

from covary.benchmarks.mismatch.square import square
from covary.benchmarks.mismatch.two_views import two_views
from covary.benchmarks.results import mismatch

pytestmark = pytest.mark.slow  # torch


@pytest.mark.parametrize("part", ["square", "cubic", "roll", "views"])
def test_exact_networks_keep_to_the_claim_and_free_ones_do_not(part):
    torch = pytest.importorskip("torch")
    from covary.benchmarks.mismatch.networks import counted

    data = {
        "square": lambda: square(0, 100, 0.6, 0.4),
        "cubic": lambda: mismatch.cubic(0, 100, True),
        "roll": lambda: mismatch.swiss_roll(0, 100, 0.5, 0.5),
        "views": lambda: two_views(0, 12),
    }[part]()
    features, sizes = mismatch.FEATURES[part], {}
    for way in ("exact", "free"):
        torch.manual_seed(0)
        network = mismatch.NETWORKS[part](data, way).double()
        sizes[way] = counted(network)

        def out(x, network=network):
            with torch.no_grad():
                return network(torch.from_numpy(features(x)).double()).numpy()

        off = [
            np.abs(out(data.move(g, data.x)) - data.answer(g, out(data.x))).max()
            for g in data.group.elements[1:]
        ]
        assert max(off) < 1e-6 if way == "exact" else min(off) > 1e-4
    assert abs(sizes["free"] / sizes["exact"] - 1.0) < 0.05


def test_a_quick_run_prints_errors_beside_floors(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    words = ["mismatch", "--quick", "--only", "square", "--workers", "1", "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*words, "--table"])
    monkeypatch.setattr(mismatch, "SETTINGS", ((0.6, 0.4),))
    mismatch.main()
    told, said = capsys.readouterr()
    assert "| square m 0.6, c 0.4 | 0.2400 |" in told and "measured on one of each way" in said
    assert len(list((tmp_path / "cells").glob("*.json"))) == 6
    cell = mismatch.Cell("square", (0.6, 0.4), "exact", 0, 600)
    found = mismatch.made(cell, tmp_path)
    assert found["error"] == pytest.approx(0.24, abs=0.04)
    assert mismatch.made(cell, tmp_path) == found  # read, not trained again
