"""The MuJoCo plant of `push` is itself equivariant in contact: D4 with mirrors, odd angles."""

import runpy
from pathlib import Path

import mujoco
import numpy as np
import pytest

from covary.sim.plant import Plant
from covary.sim.tasks.push import Push

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "push_plant_symmetry.py"


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(BENCHMARK))


@pytest.fixture(scope="module")
def measured(benchmark):
    return benchmark["residuals"](None, count=12)


def test_the_pushes_are_pushes(measured):
    assert measured["least ticks in contact"] >= 40
    assert measured["least motion"] >= 0.010


@pytest.mark.parametrize("family", ["D4", "odd angles"])
@pytest.mark.parametrize(("steps", "bound"), [(1, 1e-12), (50, 1e-8), (200, 1e-6)])
def test_12_pushes(measured, family, steps, bound):
    assert measured[family][steps] <= bound


@pytest.mark.skipif(mujoco.mj_version() >= 4_000_000, reason="MuJoCo 4 has made cylinders exact")
def test_a_cylinder_is_far_from_it(benchmark):
    """The bounds above mean something: what the plant avoids breaks them by orders."""
    own = Path(Push.mjcf).read_text()
    cylinder = own.replace(benchmark["SPHERE"], benchmark["CYLINDER"])
    assert benchmark["residuals"](cylinder, count=2)["D4"][200] > 1e-5


def test_pyramids_are_far_from_it(benchmark):
    """The same of friction cones."""
    own = Path(Push.mjcf).read_text()
    pyramids = own.replace('cone="elliptic"', 'cone="pyramidal"')
    assert benchmark["residuals"](pyramids, count=2)["odd angles"][200] > 1e-3


def test_a_full_turn_of_quaternions():
    """A mirrored tilted box is the box of the mirrored quaternion, not only of the mirrored yaw."""
    plant = Plant(Push())
    ends = []
    for side in (1.0, -1.0):
        plant.reset(np.array([-0.101, side * 0.01, 0.0, 0.0, side * 0.1, 0.2, 0.0, 0.0]))
        plant.data.qpos[5:9] += [0.0, side * 1e-3, 2e-3, 0.0]  # mirrored in y: (w, -i, j, -k)
        plant.apply(np.array([0.2, 0.0]))
        for _ in range(100):
            plant.step()
        ends.append(plant.data.qpos.copy())
    mirror = np.array([1, -1, 1, -1, 1, 1, -1, 1, -1])
    np.testing.assert_allclose(ends[1], ends[0] * mirror, atol=1e-10)
    assert ends[0][2] > 0.01


def test_nothing_moves_when_nothing_is_done():
    plant = Plant(Push())
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = plant.task.initial_state(rng)
        plant.reset(x)
        before = plant.data.qpos.copy()
        for _ in range(100):
            plant.step()
        np.testing.assert_allclose(plant.data.qpos, before, atol=1e-12)
        assert np.abs(plant.data.qvel).max() < 1e-12
