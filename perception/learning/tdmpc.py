"""`TDMPC`: an agent that acts, learns a latent model of what came of it, and plans in that."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...nodes.parameters import ParameterError, from_dict
from ...nodes.training.loop import Training
from ...sim.built_on import described
from ...sim.dials import dials_from
from ...sim.load_task import load_task
from ...sim.task import Task
from ..world_models.graphed_plan import GraphedPlan
from ..world_models.latent_encoders import FeatureEncoder
from ..world_models.latent_law import latent_error
from ..world_models.latent_planner import LatentPlanner, Sampling
from ..world_models.tdmpc import TDMPCModel
from .replay import Replay
from .simulated import simulated
from .world_learner import WorldLearner

if TYPE_CHECKING:
    from ...nodes.training.recipe import Recipe
    from ..model_card import ModelCard

VALIDATION, TEST = 90_000, 70_000
"""Seeds of the starts by which weights are selected, and of those of the card's figures."""
_MOST = (
    100_000  # periods of an episode, and episodes that are looked at; more is a slip of the finger
)
_CLIP = 10.0  # largest norm of a gradient
_EXCESS = 0.1  # what the policy prior's `ActionLimits.excess` costs it, in units of reward


@dataclass
class World:
    """The task that an agent learns in, as what a training learns from."""

    task: Task
    path: str
    """What it is called."""
    sha256: str
    """Of all that it is made from."""

    @classmethod
    def of(cls, parameters: Any) -> World:
        """The task of a recipe.

        Raises:
            ParameterError, PluginError: There is none, or options or dials do not fit.
        """
        p = parameters
        task = load_task(p.task, p.task_options)
        dials_from(p.dials)
        said = json.dumps([p.task, p.task_options, p.dials], sort_keys=True)
        return cls(task, p.task, hashlib.sha256(said.encode()).hexdigest())


class TDMPC(WorldLearner):
    """TD-MPC, an update being an episode in the world and as many steps on what is remembered.

    Hansen, Wang, Su, "Temporal Difference Learning for Model Predictive Control" (ICML 2022),
    algorithm 2: over a stretch of H periods a latent is rolled out from the first state, and

        sum_t rho^t (2 |z_t+1 - h'(x_t+1)|^2 + 0.5 (R - r_t)^2 + 0.1 sum_i (Q_i(z_t, a_t) - y_t)^2)

    with y_t = r_t + discount min Q'(h'(x_t+1), pi(h'(x_t+1))) is minimised over encoder h,
    dynamics, reward R and values; the policy prior maximises sum_t rho^t min Q(z_t, pi(z_t)).
    Primed networks are moving averages; as a target's latent the paper takes h(x_t+1). Beside the
    paper's, the prior pays for numbers so large that the limits leave no slope (`excess`): with
    torques it stood at them nearly always otherwise, whatever its values said. Reward is
    minus cost, in units of the mean cost of the first episodes; beyond one unit the squares of its
    and the values' errors go on along their tangents, so that a rare penalty (a zone that costs 20
    times what a period costs elsewhere) does not drown all else.
    Between two updates no episode is under way, so a checkpoint holds everything.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(WorldLearner.Parameters):
        """Parameters of TD-MPC."""

        task: str
        """A file of sim/tasks, or my_file:MyTask."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What its class takes beside, such as {balls: 1}."""
        dials: dict[str, float] = field(default_factory=dict)
        """How the world departs from what the task declares, such as {actuator_gain: 0.5}."""
        steps: int = 300
        """Episodes after the first ones."""
        first_episodes: int = 10
        """Episodes of random actions before anything is learned."""
        episode: int = 50
        """Control periods in each."""
        per_period: float = 1.0
        """Steps on what is remembered, for each period in the world."""
        validate_every: int = 10
        """Episodes between two looks at the validation starts; also between two checkpoints."""
        validation_episodes: int = 10
        """Starts by which the weights that are kept are selected, and as many for the figures."""
        width: int = 256
        """Hidden channels of an ordinary network with as many parameters."""
        encoder_width: int = 128
        """The same of the encoder."""
        latent: int = 50
        """Channels of the latent, about: whole regular fields."""
        batch: int = 256
        """Stretches in each step."""
        stretch: int = 5
        """H: control periods in each."""
        discount: float = 0.99
        """Of a control period."""
        rho: float = 0.5
        """What a period further into a stretch counts."""
        follow: float = 0.01
        """Share by which the moving averages follow, in every second step."""
        most_noise: float = 0.5
        """Of exploration at first, and the planner's least spread, in scaled actions."""
        least_noise: float = 0.05
        """What it falls to, along a line."""
        noise_until: float = 0.5
        """Share of the training at which it is there."""
        orbits: Literal["off", "on"] = "on"
        """Whether the planner's noise is closed under the symmetry; networks of mode free too."""
        sampling: Sampling = Sampling()
        """Of the planner that acts."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("first_episodes", "validation_episodes", "stretch", "latent"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
            if self.episode < max(self.stretch, 1):
                said = f"{self.episode} periods are less than a stretch of {self.stretch}"
                raise ValueError(f"episode: {said}")
            for name in ("episode", "validation_episodes"):
                if (value := getattr(self, name)) > _MOST:
                    raise ValueError(f"{name}: {value} must be at most {_MOST}")
            if not 1 / self.episode <= self.per_period <= 100:
                said = "must be a step in an episode at least, up to 100 in a period"
                raise ValueError(f"per_period: {self.per_period} {said}")
            for name in ("discount", "rho", "follow", "noise_until"):
                if not 0 < getattr(self, name) <= 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be above 0, up to 1")
            if not 0 < self.least_noise <= self.most_noise:
                raise ValueError("least_noise: it must be above 0, and not above most_noise")

    def __init__(self, world: World, parameters: Any, device: torch.device) -> None:
        super().__init__(parameters, device)
        p, self.world, task = parameters, world, world.task
        self.model = _model(p, task).to(device)
        self.average = self.model.average()
        self.modules = {"model": self.model, "average": self.average}
        prior = set(self.model.prior.parameters())
        self._parts = [list(prior), [w for w in self.model.parameters() if w not in prior]]
        self.optimizers = {
            "model": torch.optim.AdamW(
                self.model.parameters(), p.learning_rate, weight_decay=p.weight_decay, foreach=True
            )
        }
        episodes = p.first_episodes + p.steps
        sizes = (len(task.state_names), len(task.action_names))
        self.memory = Replay.empty(episodes, p.episode, p.stretch, *sizes)
        self.memory["steps_made"] = np.zeros(1, np.int64)
        self.orbits = self.model.symmetry if p.orbits == "on" else None
        try:
            self._planner(self.model)
        except ValueError as error:
            raise ParameterError(f"sampling: {error}", "sampling") from None
        self.place = simulated(task, p.dials)
        moved, offset, _ = self.model.symmetry.affine("state")
        self._moves = [torch.tensor(v, dtype=torch.float32, device=device) for v in (
            moved, offset, self.model.action.matrices)]  # fmt: skip

    @property
    def kept(self) -> TDMPCModel:
        """The model."""
        return self.model

    @property
    def prelude(self) -> str:
        """The first update is longer."""
        p = self.parameters
        return (
            f"first {p.first_episodes} episodes of random actions, and what can be learned of them"
        )

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training of a recipe, in its task."""
        p = recipe.parameters
        world = World.of(p)
        return Training(recipe, world, lambda device: cls(world, p, device))

    @classmethod
    def model_of(cls, card: ModelCard) -> TDMPCModel:
        """The networks of a card."""
        p = from_dict(cls.Parameters, {**card.recipe, "out": ""}, "recipe")
        return _model(p, load_task(p.task, p.task_options))

    def describes(self) -> dict[str, Any]:
        """What the card says of the model."""
        p, task = self.parameters, self.world.task
        return {
            "task": p.task,
            "task_options": p.task_options,
            "symmetry": described(self.model.symmetry),
            "state_names": task.state_names,
            "action_names": task.action_names,
            "dt": task.dt,
            "does": ("encodes", "predicts", "plans"),
            "data": {"episodes": Replay(self.memory).count, "periods": self.periods},
        }

    @property
    def periods(self) -> int:
        """Control periods in the world so far: environment steps."""
        return Replay(self.memory).count * self.parameters.episode

    # Acting.

    def _planner(self, model: TDMPCModel) -> LatentPlanner:
        return LatentPlanner(model, self.parameters.sampling, self.orbits)

    def noise(self, step: int) -> float:
        """Of exploration in an episode, in scaled actions."""
        p = self.parameters
        share = min(step / max(p.noise_until * p.steps, 1.0), 1.0)
        return p.most_noise + share * (p.least_noise - p.most_noise)

    def episodes(self, starts: np.ndarray, noise: float | None, replay: Replay | None = None):
        """Act from some starts; what each episode cost. (E, n) -> (E,)

        Args:
            starts: (E, n)
            noise: Of exploration; None: what is planned is done.
            replay: Where the episodes go; None: nowhere.
        """
        p, limits = self.parameters, self.model.limits
        # Weights stand still in an episode, so the matrices are built once.
        exported = self.model.exported()
        count = len(starts)
        places = [self.place] if count == 1 else [
            simulated(self.world.task, p.dials) for _ in range(count)]  # fmt: skip
        for place, start in zip(places, starts, strict=True):
            place.begin(start)
        states = np.empty((count, p.episode + 1, starts.shape[1]))
        actions = np.empty((count, p.episode, self.memory["replay_actions"].shape[-1]))
        costs = np.empty((count, p.episode))
        states[:, 0] = starts
        least = p.least_noise if noise is None else noise
        planner = GraphedPlan(self._planner(exported), count, least, noise is not None)
        for t in range(p.episode):
            x = torch.as_tensor(states[:, t], dtype=torch.float32, device=self.device)
            a = planner.act(x)
            u = limits.in_units(a).cpu().numpy().astype(float)
            u = self.world.task.limits.project(u)
            actions[:, t] = a.cpu().numpy()
            for i, place in enumerate(places):
                states[i, t + 1], costs[i, t] = place.step(u[i])
        if replay is not None:
            for one in zip(states, actions, costs, strict=True):
                replay.add(*one)
        return costs.sum(axis=1)

    def _first_episodes(self, rng: np.random.Generator, replay: Replay) -> None:
        """Random actions; then the units of states and of reward are known."""
        p, task, limits = self.parameters, self.world.task, self.model.limits
        actions = self.memory["replay_actions"].shape[-1]
        for _ in range(p.first_episodes):
            self.place.begin(x := task.initial_state(rng))
            states, costs = [x], []
            # Each is held for a stretch: what is drawn anew in each period cancels out.
            few = rng.uniform(-1.0, 1.0, (-(-p.episode // p.stretch), actions))
            held = np.repeat(few, p.stretch, axis=0)[: p.episode]
            drawn = torch.as_tensor(held, dtype=torch.float32, device=self.device)
            a = limits.projected(drawn)
            for u in task.limits.project(limits.in_units(a).cpu().numpy().astype(float)):
                x, cost = self.place.step(u)
                states.append(x)
                costs.append(cost)
            replay.add(np.array(states), a.cpu().numpy(), np.array(costs))
        seen = replay.states[: p.first_episodes].reshape(-1, len(x))
        for encoder in (self.model.encoder, self.average["encoder"]):
            if isinstance(encoder, FeatureEncoder):
                encoder.features.fit(seen)
        self.model.unit.fill_(max(float(np.abs(replay.costs[: p.first_episodes]).mean()), 1e-6))

    # Learning.

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """An episode, and steps on what is remembered."""
        p, replay = self.parameters, Replay(self.memory)
        if step == 0:
            self._first_episodes(rng, replay)
        start = self.world.task.initial_state(rng)[None]
        # Before anything is learned plans are as good as random actions.
        cost = float(self.episodes(start, self.noise(step), replay)[0])
        wanted = round(p.per_period * p.episode * replay.count)
        sums: dict[str, float] = {}
        made = int(self.memory["steps_made"][0])
        for number in range(made, wanted):
            for name, value in self._fitted(number, self.noise(step), rng, replay).items():
                sums[name] = sums.get(name, 0.0) + value
        self.memory["steps_made"][0] = wanted
        return {n: v / (wanted - made) for n, v in sums.items()} | {"episode_cost": cost}

    def _fitted(
        self, number: int, noise: float, rng: np.random.Generator, replay: Replay
    ) -> dict[str, float]:
        """One step on stretches of what is remembered."""
        p, model = self.parameters, self.model
        begin, weight = replay.draw(rng, p.batch)
        x, a, cost = (torch.as_tensor(v, device=self.device) for v in (
            replay.stretches(begin, p.stretch)))  # fmt: skip
        if p.augment:
            g = torch.as_tensor(rng.integers(0, len(self._moves[0]), p.batch))
            moved, offset, acting = (v[g] for v in self._moves)
            x = torch.einsum("bij,btj->bti", moved, x) + offset[:, None]
            a = torch.einsum("bij,btj->bti", acting, a)
        reward = -cost / model.unit
        powers = p.rho ** torch.arange(p.stretch + 1).to(reward)
        with model.held():
            rolled = [model.encode(x[:, 0])]
            for t in range(p.stretch):
                rolled.append(model.advanced(rolled[-1], a[:, t]))
            z = torch.stack(rolled, dim=1)  # (B, H + 1, w)
            aim, y = self._aims(x[:, 1:], noise)
            y = reward + p.discount * y
            consistency = ((z[:, 1:] - aim) ** 2).mean(dim=2)
            reward_error = _square(model.rewarded(z[:, 1:], a) - reward)
            value = model.valued(z[:, :-1], a) - y
            value_error = _square(value).sum(dim=0)
            each = 2.0 * consistency + 0.5 * reward_error + 0.1 * value_error
            loss = (torch.as_tensor(weight, device=self.device) * (each @ powers[:-1])).mean()
            prior_loss = -(self._prior_value(z.detach(), noise) @ powers).mean()
            whole = loss + prior_loss
            if p.mode == "relaxed" and p.relaxation_penalty:
                whole = whole + p.relaxation_penalty * model.relaxation()
            if number % 2 == 0:
                model.follow(self.average, p.follow)
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        whole.backward()
        for part in self._parts:
            torch.nn.utils.clip_grad_norm_(part, _CLIP, foreach=True)
        optimizer.step()
        # Priorities are of how wrong the values were, by their absolute error as in TD-MPC.
        replay.learned(begin, (value.detach().abs().mean(0) @ powers[:-1]).cpu().numpy())
        return {
            "loss": float(loss.detach()),
            "consistency": float(consistency.detach().mean()),
            "reward_error": float(reward_error.detach().mean()),
            "value_error": float(value_error.detach().mean()),
            "prior_value": -float(prior_loss.detach()),
        }

    @torch.no_grad()
    def _aims(self, x: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """The latents of later states, and the values there. (B, H, n) -> (B, H, w), (B, H)"""
        model = self.model
        z = self.average["encoder"](x.flatten(0, 1))
        a = self._noisy(model.chosen(z), noise)
        joined = torch.cat([z, a], dim=-1)
        twins = [value(joined).view(x.shape[:2]) for value in self.average["twins"].children()]
        return z.view(*x.shape[:2], -1), torch.minimum(*twins)

    def _prior_value(self, z: Tensor, noise: float) -> Tensor:
        """What the values say of what the policy prior does; they learn nothing of it. (...)"""
        model = self.model
        with model.frozen_values():
            free = model.prior(z)
            a = self._noisy(model.limits.squashed(free), noise)
            return model.valued(z, a).amin(dim=0) - _EXCESS * model.limits.excess(free)

    def _noisy(self, a: Tensor, noise: float) -> Tensor:
        """With noise and within the limits; slopes are as if there were none. (..., m)"""
        a = a + noise * torch.randn_like(a)
        return a + (self.model.limits.projected(a) - a).detach()

    # Judging.

    def validate(self) -> dict[str, float]:
        """The mean cost of episodes without exploration, from starts of their own."""
        costs = self.episodes(self.starts(VALIDATION), None)
        return {"loss": float(costs.mean()), "periods": float(self.periods)}

    def starts(self, first_seed: int) -> np.ndarray:
        """Starts of the task by seeds of their own. (E, n)"""
        seeds = range(first_seed, first_seed + self.parameters.validation_episodes)
        task = self.world.task
        return np.stack([task.initial_state(np.random.default_rng(seed)) for seed in seeds])

    def metrics(self, training: Training) -> dict[str, float]:
        """The mean cost of episodes from the test starts."""
        torch.manual_seed(TEST)
        return {"episode_cost": float(self.episodes(self.starts(TEST), None).mean())}

    def equivariance_error(self) -> float:
        """Of latents, rollouts, policy, reward and values; see `latent_law`."""
        return latent_error(self.model, self.world.task)


def _model(parameters: Any, task: Task) -> TDMPCModel:
    p = parameters
    sizes = (p.banks, p.latent, p.width, p.encoder_width, p.discount)
    return TDMPCModel(task, p.symmetry, p.mode, *sizes)


def _square(error: Tensor) -> Tensor:
    """Squares, beyond 1 their tangents: a rare penalty shall not drown all else. (...)"""
    size = error.abs()
    return torch.where(size < 1.0, size * size, 2.0 * size - 1.0)
