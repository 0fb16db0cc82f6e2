"""`StateModel`: learns a task's next state from recorded episodes and random motion."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...nodes.launching.yaml_loader import InputError
from ...nodes.training.loop import SPLIT, Training, keyed
from ...nodes.training.onnx_file import write_onnx
from ...nodes.training.recipe import Recipe
from ...sim.built_on import described
from ...sim.load_task import load_task
from ..learned_dynamics import INPUTS, OUTPUTS, STEP
from ..model_card import ModelCard
from ..world_models import state_model
from .augmented import moved
from .panels import Panel, draw
from .transitions import Transitions, both, interacted, recorded
from .world_learner import MOST, WorldLearner

_DATA = 10  # of the keys of draws: no other purpose of a training has it
HORIZONS = (1, 5, 10, 20, 30)
"""Control periods after which the open-loop error is told."""
MEASURED = 256
"""States at which errors are measured."""


class StateModel(WorldLearner):
    """Fits x' = f(x, u) by the squared error of the change, over `unroll` periods.

    Args:
        data: Training, validation and test, by whole episodes.
        parameters: Of the method.
        device: Where tensors live.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(WorldLearner.Parameters):
        """What a recipe of a state model may say."""

        data: str = ""
        """A dataset, as `covary collect` or a recorded launch leaves it; failures count too."""
        task: str = ""
        """Without a dataset: the task whose plant is moved at random."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside."""
        interaction: int = 0
        """Control periods of random motion, beside the dataset or alone."""
        unroll: int = 1
        """Periods that an update predicts on end."""
        held_out: float = 0.1
        """Share of the episodes for validation, and as many again for the test."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.interaction <= MOST:
                raise ValueError(f"interaction: {self.interaction} must be from 0 to {MOST}")
            if not 1 <= self.unroll <= 1000:
                raise ValueError(f"unroll: {self.unroll} must be from 1 to 1000")
            if not 0 < self.held_out < 0.5:
                raise ValueError(f"held_out: {self.held_out} must lie between 0 and 0.5")

    def __init__(
        self, data: tuple[Transitions, ...], parameters: Any, device: torch.device
    ) -> None:
        super().__init__(parameters, device)
        p = parameters
        self.fitted, self.validation, self.test = data
        self.network = _network(self.fitted.task, vars(p))
        self.network.fit(self.fitted.state, self.fitted.next_state)
        self.fit_by_adam("model", self.network)
        self.starts = self.fitted.windows(p.unroll)
        if not len(self.starts):
            raise InputError(f"unroll:={p.unroll}: no episode is so long", "command line")

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training, its data read or made.

        Raises:
            InputError: There is nothing to learn from, or it is of another task than `task`.
            BagError, ParameterError, PluginError: The data or the task cannot be had.
        """
        data = transitions_of(recipe.parameters)
        p = recipe.parameters
        split = data.split(p.held_out, keyed(p.seed, SPLIT))
        return Training(recipe, data, lambda device: cls(split, p, device))

    @classmethod
    def model_of(cls, card: ModelCard) -> state_model.StateModel:
        """The network of a card, without its weights."""
        return _network(load_task(card.task, card.task_options), card.recipe)

    def describes(self) -> dict[str, Any]:
        """What the model is of."""
        data = self.fitted
        return {
            "task": data.task_name,
            "task_options": data.task_options,
            "symmetry": described(data.task.symmetry.restrict(self.parameters.symmetry)),
            "state_names": tuple(data.task.state_names),
            "action_names": tuple(data.task.action_names),
            "dt": data.task.dt,
            "does": ("predicts",),
            "data": {"episodes": data.episodes, "transitions": len(data)},
            "facts": {"deviation": self._deviation()},
        }

    def exports(self, folder: Path) -> dict[str, str]:
        """The next state as a network of plain layers."""
        data = self.validation
        rows = np.linspace(0, len(data) - 1, min(32, len(data))).astype(int)
        given = (self.tensor(data.state[rows]).cpu(), self.tensor(data.action[rows]).cpu())
        with torch.no_grad():
            plain = self.network.export().cpu()
            expected = [self.network.next_state(*(x.to(self.device) for x in given)).cpu().numpy()]
        inputs = dict(zip(INPUTS, given, strict=True))
        return {STEP: write_onnx(plain, folder / STEP, inputs, OUTPUTS, expected)}

    @property
    def kept(self) -> state_model.StateModel:
        """The model."""
        return self.network

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch of stretches."""
        p, data = self.parameters, self.fitted
        rows = rng.choice(self.starts, p.batch)
        x = data.state[rows]
        at = rows[:, None] + np.arange(p.unroll)
        u, following = data.action[at], data.next_state[at]
        if p.augment:
            x, u, following = moved(self.network.symmetry, data.task, rng, x, u, following)
        state, actions, wanted = (self.tensor(a) for a in (x, u, following))
        loss = torch.zeros((), device=self.device)
        for t in range(p.unroll):
            loss = loss + self.network.loss(state, actions[:, t], wanted[:, t]).mean()
            if t + 1 < p.unroll:
                state = self.network.next_state(state, actions[:, t])
        loss = loss / p.unroll
        return {"loss": self.descend("model", loss)}

    def validate(self) -> dict[str, float]:
        """One-step error on all validation transitions."""
        return {"loss": float(self._errors(self.validation).mean())}

    def _errors(self, data: Transitions) -> np.ndarray:
        found = []
        with torch.no_grad():
            for start in range(0, len(data), 4096):
                here = slice(start, start + 4096)
                arrays = (data.state[here], data.action[here], data.next_state[here])
                found.append(self.network.loss(*(self.tensor(a) for a in arrays)))
        return torch.cat(found).double().cpu().numpy()

    def equivariance_error(self) -> float:
        """Largest relative error of f(g x, g u) = g f(x, u), of the change in one period."""
        data, network = self.validation, self.network
        rows = np.linspace(0, len(data) - 1, min(MEASURED, len(data))).astype(int)
        x, u = data.state[rows], data.action[rows]
        symmetry = data.task.symmetry.restrict(self.parameters.symmetry)
        network.eval()
        with torch.no_grad():

            def change(x: np.ndarray, u: np.ndarray) -> np.ndarray:
                own = self.tensor(x)[:, network.own]
                return network.delta(own, self.tensor(u)).double().cpu().numpy()

            here = change(x, u)
            size = float(np.sqrt(np.mean(np.sum(here**2, axis=1)))) + 1e-12
            matrices, _, _ = network.symmetry.affine("state")
            worst = 0.0
            for g in symmetry.group.elements:
                there = change(*symmetry.act(g, state=x, action=u))
                apart = there - here @ matrices[g].T
                worst = max(worst, float(np.sqrt(np.sum(apart**2, axis=1)).max()) / size)
        network.train()
        return worst

    def metrics(self, training: Training) -> dict[str, float]:
        """One-step and open-loop errors on the test episodes, in units of the states' spread."""
        found = {"test_loss": float(self._errors(self.test).mean())}
        for k in HORIZONS:
            error = self._open_loop(k)
            if error is not None:
                found[f"open_loop_{k}"] = error
        return found

    @torch.no_grad()
    def _open_loop(self, k: int) -> float | None:
        """Root mean square error after k periods, over the states' spread; None: none so long."""
        data, network = self.test, self.network
        rows = data.windows(k)
        if not len(rows):
            return None
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), 2048)).astype(int)]
        x = self.tensor(data.state[rows])
        for t in range(k):
            x = network.next_state(x, self.tensor(data.action[rows + t]))
        found = x.double().cpu().numpy()
        symmetry, own = data.task.symmetry, network.own.cpu().numpy()
        apart = symmetry.difference("state", found, data.next_state[rows + k - 1])[:, own]
        spread = np.maximum(self.fitted.state[:, own].std(axis=0), 1e-6)
        return float(np.sqrt(np.mean((apart / spread) ** 2)))

    @torch.no_grad()
    def pictures(self, training: Training) -> list[Path]:
        """Open-loop predictions of three test stretches, over what happened."""
        data, network = self.test, self.network
        length = next((k for k in reversed(HORIZONS) if len(data.windows(k)) >= 3), 0)
        if length < 2:
            return []
        rows = data.windows(length)
        rows = rows[np.linspace(0, len(rows) - 1, 3).astype(int)]
        actions = self.tensor(data.action[rows[:, None] + np.arange(length)])
        found = network.rollout(self.tensor(data.state[rows]), actions).double().cpu().numpy()
        real = data.next_state[rows[:, None] + np.arange(length)]
        time = data.task.dt * np.arange(1, length + 1)
        panels = [
            Panel(data.task.state_names[i], time, real[k, :, i], found[k, :, i])
            for k in range(len(rows))
            for i in network.own.tolist()
        ]
        path = training.folder / "predicted.png"
        return [draw(panels, len(network.own), path)]

    @torch.no_grad()
    def _deviation(self) -> list[float]:
        """How far one step is off, root mean square of each coordinate of the state. (n)"""
        data = self.validation
        x, u = self.tensor(data.state[:4096]), self.tensor(data.action[:4096])
        found = self.network.next_state(x, u).double().cpu().numpy()
        apart = data.task.symmetry.difference("state", found, data.next_state[:4096])
        return [float(v) for v in np.sqrt(np.mean(apart**2, axis=0))]


def transitions_of(p: Any) -> Transitions:
    """What the parameters of a method say to learn from.

    Raises:
        InputError: Nothing, or a dataset of another task.
    """
    found, made = None, None
    if p.data:
        found = recorded(Path(p.data))
        if p.task and p.task != found.task_name:
            said = f"task:={p.task}: the dataset is of {found.task_name}"
            raise InputError(said, "command line")
        for name, value in p.task_options.items():
            if str(found.task_options.get(name)) != str(value):
                said = f"task_options: {name}: {value}: the dataset is of {found.task_name} with "
                raise InputError(f"{said}{found.task_options or 'none'}", "command line")
    if p.interaction:
        task = p.task or (found.task_name if found else "")
        if not task:
            raise InputError(
                "task:=NAME is needed: whose plant is to be moved at random", "command line"
            )
        options = found.task_options if found else dict(p.task_options)
        made = interacted(task, options, p.interaction, keyed(p.seed, _DATA))
    if found is None and made is None:
        said = "nothing to learn from: data:=DIR, or task:=NAME interaction:=20000"
        raise InputError(said, "command line")
    return both(found, made)


def _network(task: Any, recipe: Any) -> state_model.StateModel:
    names = ("mode", "banks", "width", "depth")
    return state_model.StateModel(task, recipe["symmetry"], **{n: recipe[n] for n in names})
