"""`SamplingParameters`: what every sampling planner can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST = {"horizon": 10_000, "iterations": 10_000}
"""What nobody means to exceed: a plan of more would not end. Of samples the memory tells."""

LEAST_NOISE, MOST_NOISE = 1e-9, 1e9
"""Below and above, rounding alone would decide."""


def check_counts(parameters: object) -> None:
    """Hold how many samples, steps and iterations a planner makes to what can be made.

    Raises:
        ValueError: One is below 1, or far beyond.
    """
    for name in ("samples", "horizon", "iterations"):
        value = getattr(parameters, name, 1)
        if value < 1:
            raise ValueError(f"{name}: {value} must be at least 1")
        if value > MOST.get(name, value):
            raise ValueError(f"{name}: {value} is too many; at most {MOST[name]}")


@dataclass(frozen=True)
class SamplingParameters:
    """Parameters of every sampling planner."""

    samples: int = 256
    """Rollouts in each iteration, orbits included."""
    horizon: int = 30
    """Control periods looked ahead."""
    iterations: int = 1
    """Rounds of sampling and updating in each plan."""
    knots: int = 6
    """Noise values along the horizon, joined by the spline."""
    spline: str = "linear"
    """How they are joined: zero, linear, cubic, b_spline or kernel."""
    kernel_width: float = 2.0
    """Of the kernels of spline: kernel, in control periods."""
    rate: bool = False
    """Noise on the actions' rate: it adds up along the horizon, to `noise` on the mean."""
    noise: float = 0.4
    """Standard deviation of the noise, as a fraction of the largest action."""
    noise_law: str = "white"
    """white, coloured, ornstein_uhlenbeck, log_normal, sobol or halton."""
    colour: float = 1.0
    """Exponent of coloured noise: 0 is white, 1 pink, 2 brown."""
    correlation: float = 0.7
    """Of neighbouring knots under ornstein_uhlenbeck."""
    tail: float = 0.5
    """How far the sizes of log_normal noise differ: deviation of their logarithm."""
    antithetic: bool = False
    """Draw noise in pairs of opposite sign."""
    previous_plan: bool = False
    """The last plan itself, in later iterations what became of it, is one of the samples."""
    null_sample: bool = False
    """Doing nothing, the safe action throughout, is one of the samples."""
    risk: str = "mean"
    """What counts of the costs in several models: mean, worst, value_at_risk, cvar, entropic or
    variance."""
    risk_level: float = 0.8
    """Of value_at_risk and cvar: the share of the models below it."""
    risk_aversion: float = 0.1
    """Of entropic and variance, per unit of cost."""
    delay_ms: float = 0.0
    """What passes between a state's stamp and its plan's effect: the state is rolled ahead
    through the model by what was sent already."""
    constraints: Literal["lagrangian", "barrier", "off"] = "lagrangian"
    """How the task's constraints on the state are kept, where it has any."""
    penalty: float = 100.0
    """Cost of breaking a constraint by a unit, in a period."""
    barrier_share: float = 0.3
    """Of barrier: by how much of its distance a plan may come nearer in a period, up to 1."""
    precision: Literal["float64", "float32"] = "float64"
    """In which samples are rolled out and weighed, by the analytic model; float32 is about twice as
    fast, and a plan as exact as its rounding."""

    def __post_init__(self) -> None:
        check_counts(self)
        if not LEAST_NOISE <= self.noise <= MOST_NOISE:
            raise ValueError(
                f"noise: {self.noise} must be a positive number, not below {LEAST_NOISE:g} and not "
                f"above {MOST_NOISE:g}"
            )
