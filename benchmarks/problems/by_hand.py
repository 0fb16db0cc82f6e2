"""Rollouts and weights of a plan in C++ on vectors, compiled when they are run: a plan's limit."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from covary.planners.fused.fused_plan import taps
from covary.planners.kmppi import KMPPI

SOURCE = Path(__file__).resolve().parent / "rollouts.cpp"
REALS = {"float32": ("float", ctypes.c_float), "float64": ("double", ctypes.c_double)}


@functools.cache
def library(precision: str) -> ctypes.CDLL | str:
    """The functions of all problems, or in a few words why there are none."""
    compiler, real = shutil.which("g++"), REALS[precision][0]
    if compiler is None:
        return "there is no g++"
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-DREAL={real}"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{real}.so"
        command = [compiler, *flags, str(SOURCE), "-o", str(made), "-lmvec", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            return (
                f"g++ cannot compile it: {(errors or ['?'])[0].partition('error')[2].strip(': ')}"
            )
        return ctypes.CDLL(str(made))


class ByHand:
    """What a planner's plan spends its time on, by hand.

    Args:
        problem: Its name, which the function has.
        planner: Its curves, spread, temperature, size and precision are taken.

    Raises:
        ValueError: They cannot be compiled here; why.
    """

    def __init__(self, problem: str, planner: KMPPI) -> None:
        p = planner.parameters
        found = library(p.precision)
        if isinstance(found, str):
            raise ValueError(found)
        number = REALS[p.precision][1]
        self._function = getattr(found, problem)
        self._function.restype = number
        x = planner.task.initial_state(np.random.default_rng(0))
        self._planner, self._start = planner, x
        self._mean = planner.plan(x, 0.0, planner.initial_memory(0))[1].mean
        self._noise = planner.law(np.random.default_rng(0), p.samples) * planner.initial_std
        rows = np.moveaxis(self._noise, 0, 2).reshape(-1, p.samples)  # (N m, K)
        knot, weight = taps(planner.spline, p.precision)
        self._costs, shares = (_aligned(np.zeros(p.samples), p.precision) for _ in range(2))
        mean, rows, weight = (_aligned(a, p.precision) for a in (self._mean, rows, weight))
        self._kept = (mean, rows, knot, weight, shares)  # pointers do not keep them
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (mean, rows, knot, weight)]
        results = [a.ctypes.data_as(ctypes.c_void_p) for a in (self._costs, shares)]
        sizes = [ctypes.c_long(n) for n in (len(mean), p.samples)]
        taken = ctypes.c_long(weight.shape[1])
        self._arguments = (*pointers, taken, *results, *sizes, number(p.temperature))

    def seconds(self, repeat: int) -> float:
        """What one takes, in a row of so many."""
        began = time.perf_counter()
        self._function(*self._arguments, ctypes.c_long(repeat))
        return (time.perf_counter() - began) / repeat

    def check(self) -> None:
        """Its costs are those of the planner's model.

        Raises:
            AssertionError: They are not.
        """
        self.seconds(1)
        planner, told = self._planner, np.empty((1, len(self._costs)))
        curves = np.einsum("hn,knm->khm", planner.spline.matrix(self._noise.shape[1]), self._noise)
        actions = planner.task.limits.project(self._mean + curves)
        planner.dynamics.at("float64").rollout(self._start, actions, told)
        assert np.abs(told[0] - self._costs).max() < 1e-4 * np.abs(self._costs).max()


def _aligned(a: np.ndarray, kind: str) -> np.ndarray:
    """A copy that begins where a vector does."""
    room = np.zeros(np.size(a) + 64, kind)
    skipped = -room.ctypes.data // room.itemsize % (64 // room.itemsize)
    out = room[skipped : skipped + np.size(a)].reshape(np.shape(a))
    out[...] = a
    return out
