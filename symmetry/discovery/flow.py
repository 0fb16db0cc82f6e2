"""LieFlow: flow matching on a hypothesis group, whose samples are the elements that data ask for.

After "Discovering Lie Groups with Flow Matching" (arXiv 2512.20043): a sample x of the data is
moved by a random element g = exp(a), and a network learns, from gx on the way back
x_t = exp((1 - t) a) x, the velocity -a. Where the data hold hx for each x, the way back from gx
ends as well at hx; so what a fresh start is moved by, in the end, is of the data's group.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .cloud import Cloud, DiscoveryError
from .hypothesis import Hypothesis
from .refinement import refined

if TYPE_CHECKING:
    import torch

_FREQUENCIES = 4
_NEAR = 0.15
"""A turn (rad) by which an end may miss the data and still lie on them."""
_REACH = 0.3
"""A turn (rad) by which the last steps may move an end; the flow has to have led it so far."""


@dataclass(frozen=True)
class Settings:
    """How long the flow is trained and how it is followed.

    Attributes:
        steps: Updates of the network.
        batch: Samples an update.
        width: Of each hidden layer.
        layers: Hidden layers.
        rate: Adam's first step size; it falls to zero as a cosine.
        schedule: ``power``: t = U^(1/power), since far from the data the velocities of all elements
            cancel and only late times tell them apart; ``uniform``: t = U.
        power: n of the power schedule.
        elements: How many elements are drawn at last.
        integration: Steps of the way of each.
        waves: Octaves of sines and cosines of the coordinates that the network is told beside them.
            A group of many elements asks for a field that changes within short ways, which a
            network learns slowly from coordinates alone.
    """

    steps: int = 1500
    batch: int = 256
    width: int = 128
    layers: int = 4
    rate: float = 3e-3
    schedule: Literal["power", "uniform"] = "power"
    power: float = 5.0
    elements: int = 1000
    integration: int = 40
    waves: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in ("power", "uniform"):
            raise DiscoveryError(f"no schedule is called {self.schedule!r}: power or uniform")
        least = min(self.steps, self.batch, self.width, self.layers, self.elements)
        if min(least, self.integration) < 1 or self.rate <= 0 or self.power < 1 or self.waves < 0:
            raise DiscoveryError("sizes and rate are positive, the power is 1 or more")

    @property
    def exponent(self) -> float:
        """n: t = U^(1/n)."""
        return self.power if self.schedule == "power" else 1.0


def usual(hypothesis: Hypothesis) -> Settings:
    """Settings that are enough for the catalogue: what has more coordinates takes longer."""
    if hypothesis.name == "SO3":
        return Settings(steps=5000, elements=1500, integration=60, waves=2)
    if hypothesis.name == "GL2":
        return Settings(steps=6000, integration=80)
    return Settings(steps=3000 if hypothesis.name == "SE2" else 1500)


@dataclass(frozen=True, eq=False)
class Found:
    """Elements that the flow has found, each from a start of its own.

    Attributes:
        matrices: (E, d, d)
        shifts: About the origin of the data. (E, d)
        drawn: The matrices as the flow drew them, before their last steps onto the data. (E, d, d)
        supported: Whether the sample that it was found from is sent to where data are, and the flow
            had led it near. (E,) bool
        loss: Of the last tenth of the training, in mean squares of coordinates.
        unmoved: Share of plain starts whose end is supported.
        mirrored: Share of mirrored starts whose end is; 0 where the hypothesis has no mirrors.
    """

    matrices: np.ndarray
    shifts: np.ndarray
    drawn: np.ndarray
    supported: np.ndarray
    loss: float
    unmoved: float
    mirrored: float

    @property
    def kept(self) -> Found:
        """Those that are supported, of a component of the group that most often is."""
        keep = self.supported.copy()
        if self.mirrored < 0.5 * self.unmoved:
            keep &= np.linalg.det(self.matrices) > 0
        return replace(
            self,
            matrices=self.matrices[keep],
            shifts=self.shifts[keep],
            drawn=self.drawn[keep],
            supported=self.supported[keep],
        )


def discover(
    data: Cloud,
    hypothesis: Hypothesis,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Found:
    """Train a flow on data, and draw elements by it.

    A tenth of the data, at least 8 samples, are not learned from: elements start from them.

    Args:
        data: What is symmetric or not; SO(2), O(2), SO(3) and GL(2)+ act about the origin.
        hypothesis: The group in which elements are looked for.
        seed: Of all draws; the same gives the same elements on the same machine.
        settings: None: `usual`.
        progress: Is told after each update how many there were; `settings.steps` are made.

    Raises:
        DiscoveryError: The hypothesis moves a space of another dimension, nothing is shifted, some
            motions leave the samples where they are, or the network does not learn.
    """
    import torch

    if data.dimension != hypothesis.dimension:
        raise DiscoveryError(
            f"{hypothesis.name} moves points of {hypothesis.dimension} coordinates; these have "
            f"{data.dimension}"
        )
    if hypothesis.shifts and data.free.all():
        raise DiscoveryError(
            "SE2 looks for a centre, and no part is a point that has one; take SO2"
        )
    chosen = settings or usual(hypothesis)
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(data))
    held = max(8, len(data) // 10)
    scaled, centre, unit = _scaled(data, hypothesis)
    if _left_alone(scaled, hypothesis):
        raise DiscoveryError(
            f"most samples stay where they are under a family of motions of {hypothesis.name}, so "
            "none can be told: they need points off the centre, not all on one line"
        )
    learned, starts = scaled.taken(order[held:]), scaled.taken(order[:held])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on layers as small as these, more are slower
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _network(scaled, hypothesis, chosen)
        generator = torch.Generator().manual_seed(seed)
        loss = _train(network, learned, hypothesis, chosen, generator, progress)
        with torch.no_grad():
            drawn, shifts, index = _draw(network, starts, hypothesis, chosen, generator)
    finally:
        torch.set_num_threads(threads)
    if not np.isfinite(drawn).all():
        raise DiscoveryError("the network learned nothing: its velocities are not finite")
    begun = starts.taken(index)
    led = begun.moved(drawn, shifts)
    matrices, shifts = refined(begun, learned, hypothesis, drawn, shifts)
    ends = begun.moved(matrices, shifts)
    further = np.sqrt(np.square(ends.points - led.points).sum(axis=(1, 2)))
    supported = _on(ends, learned, starts) & (further <= _REACH * math.sqrt(data.points.shape[1]))
    mirrored = np.linalg.det(matrices) < 0
    # About the data's own origin and in their unit again.
    shifts = unit * shifts + centre - matrices @ centre
    return Found(
        matrices,
        shifts,
        drawn,
        supported,
        loss,
        float(supported[~mirrored].mean()),
        float(supported[mirrored].mean()) if mirrored.any() else 0.0,
    )


def _scaled(data: Cloud, hypothesis: Hypothesis) -> tuple[Cloud, np.ndarray, float]:
    """The data in units of their size, about their mean if a centre is looked for; both of them."""
    centre = np.zeros(data.dimension)
    if hypothesis.shifts:
        centre = data.points[:, ~data.free].mean(axis=(0, 1))
    apart = data.points - np.where(data.free[:, None], 0.0, centre)
    squares = (apart**2).sum(axis=2).mean(axis=0)
    placed = squares[~data.free].mean() if not data.free.all() else squares.mean()
    unit = float(np.sqrt(placed)) or 1.0
    # Vectors count alike, whatever their unit is; points have one.
    size = np.where(data.free & (squares > 0), np.sqrt(squares), unit)
    apart = apart / size[:, None]
    mean, size = data.scalars.mean(axis=0), data.scalars.std(axis=0)
    mean = np.where(data.odd, 0.0, mean)  # a mirror changes the sign about zero
    scalars = (data.scalars - mean) / np.where(size > 1e-12, size, 1.0)
    return replace(data, points=apart, scalars=scalars), centre, unit


def _left_alone(data: Cloud, hypothesis: Hypothesis) -> bool:
    """Whether a whole family of motions leaves most samples where they are, so none can be told."""
    points, placed = data.points, ~data.free
    if hypothesis.shifts:
        middle = points[:, placed].mean(axis=1, keepdims=True)
        points = points - np.where(placed[:, None], middle, 0.0)
    sizes = np.linalg.svd(points, compute_uv=False)
    least = 2 if hypothesis.name in ("SO3", "GL2") else 1
    return sizes.shape[1] < least or bool(np.median(sizes[:, least - 1]) < 1e-6)


def _network(data: Cloud, hypothesis: Hypothesis, settings: Settings) -> Any:
    from torch import nn

    width = settings.width
    places, numbers = data.points[0].size, data.scalars.shape[1]
    told = places * (1 + 2 * settings.waves) + numbers + 2 + 2 * _FREQUENCIES
    layers: list[Any] = [nn.Linear(told, width), nn.ReLU()]
    for _ in range(settings.layers - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, hypothesis.coordinates))


def _times(quantile: torch.Tensor, exponent: float) -> torch.Tensor:
    """What a network is told of the time. (n,) -> (n, 2 + 2 frequencies)"""
    import torch

    waves = math.pi * quantile[:, None] * 2.0 ** torch.arange(_FREQUENCIES)
    told = torch.stack([quantile, quantile ** (1.0 / exponent)], 1)
    return torch.cat([told, torch.sin(waves), torch.cos(waves)], 1)


def _places(points: torch.Tensor, waves: int) -> torch.Tensor:
    """What a network is told of the points. (n, k, d) -> (n, k d (1 + 2 waves))"""
    import torch

    flat = points.flatten(1)
    angles = (0.5 * math.pi * flat[:, :, None] * 2.0 ** torch.arange(waves)).flatten(1)
    return torch.cat([flat, torch.sin(angles), torch.cos(angles)], 1)


def _moved(
    points: torch.Tensor, free: torch.Tensor, matrix: torch.Tensor, shift: torch.Tensor | None
) -> torch.Tensor:
    there = points @ matrix.transpose(1, 2)
    return there if shift is None else there + free[None, :, None] * shift[:, None, :]


def _train(
    network: Any,
    data: Cloud,
    hypothesis: Hypothesis,
    settings: Settings,
    generator: torch.Generator,
    progress: Callable[[int], None],
) -> float:
    """The mean loss of the last tenth."""
    import torch

    points = torch.tensor(data.points, dtype=torch.float32)
    scalars = torch.tensor(data.scalars, dtype=torch.float32)
    placed = torch.tensor(~data.free, dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), settings.rate, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    last: list[float] = []
    for step in range(settings.steps):
        index = torch.randint(len(points), (settings.batch,), generator=generator)
        a = hypothesis.draw(settings.batch, generator)
        quantile = torch.rand(settings.batch, generator=generator)
        left = 1.0 - quantile ** (1.0 / settings.exponent)
        at = _moved(points[index], placed, *hypothesis.exp(left[:, None] * a))
        told = [_places(at, settings.waves), scalars[index], _times(quantile, settings.exponent)]
        loss = (network(torch.cat(told, 1)) + a).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        falling.step()
        if step >= settings.steps - max(1, settings.steps // 10):
            last.append(float(loss.detach()))
        progress(step + 1)
    return float(np.mean(last))


def _draw(
    network: Any,
    data: Cloud,
    hypothesis: Hypothesis,
    settings: Settings,
    generator: torch.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices, shifts, and the samples that they were found from."""
    import torch

    count, dimension = settings.elements, data.dimension
    index = torch.randint(len(data), (count,), generator=generator)
    points = torch.tensor(data.points, dtype=torch.float32)[index]
    scalars = torch.tensor(data.scalars, dtype=torch.float32)[index]
    placed = torch.tensor(~data.free, dtype=torch.float32)
    matrix, shift = hypothesis.exp(hypothesis.draw(count, generator, even=True))
    if shift is None:
        shift = torch.zeros(count, dimension)
    if hypothesis.mirrors:  # every other one starts in the mirrored component, and stays there
        label = torch.arange(count) % 2 == 1
        mirror = torch.diag(torch.tensor([1.0, -1.0]))
        matrix = torch.where(label[:, None, None], matrix @ mirror, matrix)
        odd = torch.tensor(data.odd)
        scalars = torch.where(label[:, None] & odd, -scalars, scalars)
    grid = torch.linspace(0.0, 1.0, settings.integration + 1)
    times = grid ** (1.0 / settings.exponent)
    for k in range(settings.integration):
        at = _moved(points, placed, matrix, shift)
        now = _times(grid[k].expand(count), settings.exponent)
        velocity = network(torch.cat([_places(at, settings.waves), scalars, now], 1))
        step, by = hypothesis.exp((times[k + 1] - times[k]) * velocity)
        matrix = step @ matrix
        shift = (step @ shift[:, :, None])[:, :, 0]
        shift = shift if by is None else shift + by
    return matrix.double().numpy(), shift.double().numpy(), index.numpy()


def _on(ends: Cloud, learned: Cloud, starts: Cloud) -> np.ndarray:
    """Which ends lie on the data: as near to them as samples that were not learned from are."""
    from scipy.spatial import KDTree

    tree = KDTree(learned.flat())
    usual_distance = np.quantile(tree.query(starts.flat())[0], 0.95)
    slack = _NEAR * math.sqrt(ends.points.shape[1])
    return tree.query(ends.flat())[0] <= max(1.5 * float(usual_distance), slack)
