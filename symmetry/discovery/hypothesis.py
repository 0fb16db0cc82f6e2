"""Hypothesis groups: coordinates of their elements, random draws, and the exponential map.

An element is given by the coordinates a of its logarithm: a turn (rad) in the plane, an axis times
an angle in space, a turn and a velocity for SE(2), a matrix for GL(2)+. So a path from it to the
identity is t -> exp((1 - t) a), and no logarithm of a matrix is ever taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cloud import DiscoveryError

if TYPE_CHECKING:
    import torch

HYPOTHESES = ("SO2", "O2", "SO3", "GL2", "SE2")
"""Words of the groups in which a symmetry is looked for; GL2 is its part of positive determinant.

SE2 is what rotates about some centre that is to be found.
"""
_SHIFT = 0.5
"""Standard deviation of SE(2)'s shifts, in spreads of the data."""
_SHEAR = 0.35
"""Standard deviation of the entries of GL(2)'s symmetric part."""


@dataclass(frozen=True)
class Hypothesis:
    """One of `HYPOTHESES`.

    Attributes:
        name: Its word.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in HYPOTHESES:
            raise DiscoveryError(
                f"no hypothesis is called {self.name!r}; there are {', '.join(HYPOTHESES)}"
            )

    @property
    def dimension(self) -> int:
        """Of the space that it moves."""
        return 3 if self.name == "SO3" else 2

    @property
    def coordinates(self) -> int:
        """How many a logarithm has."""
        return {"SO2": 1, "O2": 1, "SO3": 3, "GL2": 4, "SE2": 3}[self.name]

    @property
    def mirrors(self) -> bool:
        """Whether it has a second component, of determinant -1."""
        return self.name == "O2"

    @property
    def shifts(self) -> bool:
        """Whether it shifts points."""
        return self.name == "SE2"

    def draw(self, count: int, generator: torch.Generator, even: bool = False) -> torch.Tensor:
        """Logarithms of random elements: uniform where there is such a thing. (count, c)

        Args:
            count: How many.
            generator: Of the draws.
            even: Whether turns of the plane are stratified: one in each of `count` equal parts, so
                that elements found from them are no less even than the flow is.
        """
        import torch

        if self.name == "SO3":  # a uniform quaternion's logarithm
            q = torch.randn(count, 4, generator=generator)
            q = q / q.norm(dim=1, keepdim=True)
            q = q * torch.where(q[:, :1] < 0, -1.0, 1.0)
            sine = q[:, 1:].norm(dim=1, keepdim=True)
            return 2.0 * torch.atan2(sine, q[:, :1]) * q[:, 1:] / sine.clamp_min(1e-9)
        share = torch.rand(count, 1, generator=generator)
        if even:
            share = (torch.randperm(count, generator=generator)[:, None] + share) / count
        turn = torch.pi * (2.0 * share - 1.0)
        if self.name in ("SO2", "O2"):
            return turn
        if self.name == "SE2":  # about the data's mean, and then a shift: u = V(turn)^-1 shift
            shift = _SHIFT * torch.randn(count, 2, generator=generator)
            return torch.cat([turn, _straightened(turn[:, 0], shift)], dim=1)
        stretch = _SHEAR * torch.randn(count, 3, generator=generator)
        skew = turn[:, 0]
        return torch.stack(
            [stretch[:, 0], stretch[:, 1] - skew, stretch[:, 1] + skew, stretch[:, 2]], dim=1
        )

    def exp(self, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Matrices and shifts of elements. (n, c) -> (n, d, d), (n, d) or None"""
        import torch

        if self.name == "SO3":
            return _rodrigues(a), None
        if self.name == "GL2":
            return _exp2(a.reshape(-1, 2, 2)), None
        c, s = torch.cos(a[:, 0]), torch.sin(a[:, 0])
        matrix = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
        if self.name != "SE2":
            return matrix, None
        w = a[:, 0]
        small = w.abs() < 1e-4
        safe = torch.where(small, torch.ones_like(w), w)
        one = torch.where(small, torch.ones_like(w), torch.sin(safe) / safe)
        two = torch.where(small, 0.5 * w, (1.0 - torch.cos(safe)) / safe)
        u = a[:, 1:]
        shift = torch.stack([one * u[:, 0] - two * u[:, 1], two * u[:, 0] + one * u[:, 1]], 1)
        return matrix, shift


def _straightened(w: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The velocity that, turning by w on the way, ends in a shift. (n,), (n, 2) -> (n, 2)"""
    import torch

    half = 0.5 * w
    along = torch.where(half.abs() < 1e-4, torch.ones_like(half), half / torch.tan(half))
    return torch.stack(
        [along * shift[:, 0] + half * shift[:, 1], along * shift[:, 1] - half * shift[:, 0]], 1
    )


def _rodrigues(a: torch.Tensor) -> torch.Tensor:
    """Rotations by axis times angle. (n, 3) -> (n, 3, 3)"""
    import torch

    angle = a.norm(dim=1).clamp_min(1e-8)
    zero = torch.zeros_like(angle)
    x, y, z = a[:, 0], a[:, 1], a[:, 2]
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    one = (torch.sin(angle) / angle)[:, None, None]
    two = (0.5 * (torch.sin(0.5 * angle) / (0.5 * angle)) ** 2)[:, None, None]
    return torch.eye(3) + one * skew + two * (skew @ skew)


def _exp2(m: torch.Tensor) -> torch.Tensor:
    """The exponential of 2 x 2 matrices in closed form. (n, 2, 2)"""
    import torch

    mean = 0.5 * (m[:, 0, 0] + m[:, 1, 1])
    rest = m - mean[:, None, None] * torch.eye(2)
    square = -(rest[:, 0, 0] * rest[:, 1, 1] - rest[:, 0, 1] * rest[:, 1, 0])  # rest^2 = square I
    size = square.abs().sqrt().clamp_min(1e-6)
    grows = square > 0
    even = torch.where(grows, torch.cosh(size), torch.cos(size))
    odd = torch.where(grows, torch.sinh(size), torch.sin(size)) / size
    return torch.exp(mean)[:, None, None] * (
        even[:, None, None] * torch.eye(2) + odd[:, None, None] * rest
    )
