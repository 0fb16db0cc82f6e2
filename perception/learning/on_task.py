"""`OnTask`: how a latent model is learned of a task's images instead of a pixel world's frames."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...nodes.launching.yaml_loader import InputError
from ...nodes.training.loop import SPLIT, Training, keyed
from ...nodes.training.onnx_file import write_onnx
from ...nodes.training.recipe import Recipe
from ...sim.built_on import described
from ...sim.load_task import load_task
from ...sim.pixel_worlds.world import WorldError
from ...sim.task import Task
from ...symmetry.layers.plain import plain
from ..encoders.encoder import Sizes
from ..encoders.steerable_encoder import SteerableEncoder
from ..encoders.symmetric_embedding import SymmetricEmbedding
from ..encoders.told_state import told_by_images
from ..image_estimator import ESTIMATE
from ..image_estimator import INPUTS as IMAGES
from ..latent_task import CORRECT, CORRECTED, LATENT, STATE, TOLD
from ..learned_dynamics import INPUTS, OUTPUTS, STEP
from ..metrics.evaluation import Held, held_of
from ..model_card import ModelCard
from ..world_models.action_limits import ActionLimits
from ..world_models.equivariant_mlp import relaxation
from ..world_models.state_head import StateHead
from ..world_models.task_latent import Sight, TaskLatent
from ..world_models.told_features import ToldFeatures
from ..world_models.transition import Transition
from .latent_filter import LENGTH, STEPS, STRETCHES, Followed, Stretches, follow, followed, shared
from .losses import energy
from .seen_states import Renderer, sensed_by
from .state_model import transitions_of
from .task_world import TaskFrames, TaskMoves, TaskWorld, level_of, some_of, turned

if TYPE_CHECKING:
    from .sen import SEN

_IMAGES, _HELD = 13, 14  # of the keys of draws: no other purpose of a training has them
FIELDS = 8
"""Regular fields of a task's latent, if the recipe does not say."""
BATCH = 256
"""Stretches of latents in an update at most; four times as many as of images."""
PIECE = 20
"""Periods of a stretch that are moved alike, beside those that are foretold."""
SHARE = 0.5
"""Of what is seen, in latents that are followed, before a gain is learned."""
_ROWS = 32  # on which exported networks are held to the trained one


class _Data:
    """Where the stretches are from, and how they are seen."""

    def __init__(self, path: str, *said: Any) -> None:
        self.path = path
        self.sha256 = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@cache
def on_task(kind: type[SEN]) -> type[SEN]:
    """A method of latent models, as it learns of a task."""
    return type(f"{kind.__name__}OnTask", (OnTask, kind), {"__doc__": kind.__doc__})


class OnTask:
    """What goes before a latent model's method, to learn from a task's images.

    Beside the method's own loss a head learns to tell the task's state from latents that are seen
    and from those that are foretold over `unroll` periods, so that the task's own costs can be
    asked for in them. `grounding` of its gradient reaches encoder and transition.
    """

    training: TaskFrames
    validation: TaskFrames
    world: TaskWorld
    model: TaskLatent
    parameters: Any
    device: torch.device
    modules: dict[str, torch.nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    steepest = 1.0
    test: TaskFrames
    topic: str

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training, its transitions read or made, and seen.

        Raises:
            InputError: There is nothing to learn from, no such image, or one that does not tell
                what the task's cost needs.
            BagError, ParameterError, PluginError, PixelError: Data, task or image cannot be had.
        """
        p = recipe.parameters
        data = transitions_of(p)
        _check_cost(data.task, p.frames)
        sensed = sensed_by(data.task, data.task_options, p.camera, p.heightmap)
        split = data.split(p.held_out, keyed(p.seed, SPLIT))
        count = max(1, p.images // 5)
        split = [
            some_of(part, most, keyed(p.seed, _IMAGES, k))
            for k, (part, most) in enumerate(zip(split, (p.images, count, count), strict=True))
        ]
        if p.augment:
            split[0] = turned(split[0], PIECE + p.unroll, keyed(p.seed, _IMAGES, 3))
        source = _Data(data.path, data.sha256, sensed, p.images, p.frames, p.pool)

        def made(device: torch.device) -> Any:
            renderer = Renderer(data.task, sensed)
            first, _ = renderer.look(data.state[0])
            sight = Sight(p.frames, p.pool)
            rows = np.linspace(0, len(data) - 1, 200).astype(int)
            level = level_of(renderer, data.state[rows])
            world = TaskWorld(data.task, first.shape, sight, p.symmetry, renderer, level)
            cls.network_of(world, p)  # what cannot be is said before all is looked at
            goals = keyed(p.seed, _IMAGES, 4)
            sets = [TaskFrames(world, part, p.unroll, goals) for part in split]
            if not min(map(len, sets)):
                said = f"unroll:={p.unroll}: no episode is so long"
                raise InputError(said, "command line")
            if not len(sets[2].data.windows(p.horizon)):  # said now, not when all is learned
                said = f"horizon:={p.horizon}: no test episode is so long"
                raise InputError(said, "command line")
            found: Any = cls(*sets[:2], world, p, device)  # type: ignore[call-arg]
            found.test, found.topic = sets[2], renderer.topic
            return found

        try:
            return Training(recipe, source, made)
        except WorldError as error:
            raise InputError(str(error), recipe.name) from None

    def __init__(self, training: TaskFrames, validation: TaskFrames, *of: Any) -> None:
        super().__init__(training, validation, *of)  # type: ignore[call-arg]
        self._found: Followed | None = None
        self._seen: Stretches | None = None
        p = self.parameters
        self.correction = self.modules["correction"] = shared(self.model, SHARE)
        if p.settled:  # the loop lowers its rate too, from this step on to zero
            left = 0.5 * (1.0 + math.cos(math.pi * (1.0 - p.settled)))
            self.optimizers["settled"] = torch.optim.AdamW(  # type: ignore[attr-defined]
                self._settling(), p.learning_rate / left, weight_decay=p.weight_decay
            )
        at = np.unique(np.linspace(0, len(training.states) - 1, 2000).astype(int))
        states = training.states[:, self.places]
        self.model.fit(self.world.level, training.frames(at), states)
        if self.parameters.augment:
            self.moves = TaskMoves(self.world)

    @property
    def places(self) -> list[int]:
        """The coordinates of the state that the head tells."""
        return told_by_images(self.world.task, self.parameters.frames)

    @classmethod
    def model_of(cls, card: ModelCard) -> TaskLatent:
        """The network of a card, without its weights."""
        p = cls.Parameters(**{**card.recipe, "out": Path(".")})  # type: ignore[attr-defined]
        task, shape = load_task(card.task, card.task_options), next(iter(card.images.values()))
        return cls.network_of(TaskWorld(task, shape, Sight(p.frames, p.pool), p.symmetry), p)

    @classmethod
    def network_of(cls, world: TaskWorld, p: Any) -> TaskLatent:
        """Encoder, transition and head; the method's own decoder beside them."""
        sizes = Sizes(p.channels, p.width, p.mode, p.banks, "learned")
        of = world.group, world.frame_shape, p.fields or FIELDS
        encoder = (
            SteerableEncoder(*of, sizes)
            if p.pixels == "moved"
            else SymmetricEmbedding(*of, sizes=sizes)
        )
        action = world.action_representation()
        places = told_by_images(world.task, p.frames)
        like = (encoder.latent, p.symmetry, p.width, p.mode, p.banks)
        head = StateHead(world.task, places, *like)
        heard = ToldFeatures(head) if p.grounding else None  # else latents are the method's own
        transition = Transition(
            encoder.latent,
            action,
            p.width,
            p.depth,
            p.mode,
            p.banks,
            beside=heard.representation if heard else None,
        )
        limits = ActionLimits(world.task, world.seen, world.symmetry)
        decoder = cls.decoder_of(encoder.latent.width, world.frame_shape, p)  # type: ignore
        return TaskLatent(encoder, transition, decoder, head, limits, world.sight, heard)

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch of rows; at the end, of stretches of latents."""
        self._found, p = None, self.parameters
        if step < round((1.0 - p.settled) * p.steps):
            return super().update(step, rng)  # type: ignore[misc]
        if self._seen is None:
            self._seen = self._settled()
        of = self._seen
        rows = torch.from_numpy(rng.integers(len(of.seen), size=min(4 * p.batch, BATCH)))
        seen, actions, states = of.seen[rows], of.actions[rows], of.states[rows]
        half = (actions.shape[1] + 1) // 2
        # Planned from is a latent that was followed: it knows rates better than one that is seen.
        some = Stretches(seen[:, : half + 1], actions[:, :half], states[:, : half + 1])
        latents = [followed(self.model, self.correction, some)[0]]
        if half < actions.shape[1]:
            latents.append(self.model.rollout(latents[0][:, -1], actions[:, half:]))
        foretold = torch.cat(latents, dim=1)
        told = torch.cat([seen[:, :1], foretold], dim=1).flatten(0, 1)
        loss = self.model.head.loss(told, states.flatten(0, 1))
        whole = (p.grounding or 1.0) * loss + energy(foretold, seen[:, 1:]).mean()
        if p.relaxation_penalty:
            whole = whole + p.relaxation_penalty * relaxation(self.model)
        optimizer = self.optimizers["settled"]
        optimizer.zero_grad(set_to_none=True)
        whole.backward()
        torch.nn.utils.clip_grad_norm_([*self._settling()], self.steepest)
        optimizer.step()
        return {"loss": float(whole.detach())}

    def _settling(self) -> Iterator[torch.nn.Parameter]:
        """What goes on learning when latents stay."""
        yield from self.correction.parameters()
        yield from self.model.transition.parameters()
        yield from self.model.head.parameters()

    def _settled(self) -> Stretches:
        """All training stretches of latents."""
        length = 2 * self.parameters.unroll
        while not len(self.training.data.windows(length)):
            length -= 1
        training = self.model.training
        self.model.eval()
        found = self._stretches(self.training, length, len(self.training.data))
        self.model.train(training)
        return found

    def _loss(
        self, batch: tuple[np.ndarray, ...], rng: np.random.Generator, heeded: float = 1.0
    ) -> Tensor:
        states, actions = (torch.from_numpy(a).to(self.device) for a in batch[3:])
        self._told = states[..., self.places], actions
        # With states to tell, an encoder leaves nothing out that could not be predicted at first.
        heeded = 1.0 if self.parameters.grounding else heeded
        return super()._loss(batch[:3], rng, heeded)  # type: ignore[misc]

    def objective(self, z: Tensor, predicted: Tensor, following: Tensor, *of: Any) -> Tensor:
        """The method's own, and what the head is off, of what is seen and foretold. ()"""
        loss = super().objective(z, predicted, following, *of)  # type: ignore[misc]
        (states, actions), weight = self._told, self.parameters.grounding
        model, latents = self.model, [z, following]
        for t in range(actions.shape[1]):
            z = model.next_latent(z, actions[:, t])
            latents.append(z)
        true = [states[:, 0], states[:, 1], *states[:, 1:].unbind(1)]
        told = torch.cat(latents if weight else [x.detach() for x in latents])
        return loss + (weight or 1.0) * model.head.loss(told, torch.cat(true))

    @torch.no_grad()
    def equivariance_error(self) -> float:
        """Of rollouts, of what latents tell, and of moved frames where moves are known."""
        worst: float = super().equivariance_error()  # type: ignore[misc]
        model, last = self.model, len(self.validation.states) - 1
        at = np.linspace(0, last, _ROWS).astype(int)
        frames = torch.from_numpy(self.validation.frames(at)).to(self.device)
        training = model.training
        z = model.eval().encode(frames)
        told, size = model.head.network(z), float(z.abs().max())
        for g in self.world.group.elements:
            moved = model.latent.act(g, z)
            apart = model.head.network(moved) - model.head.latent.act(g, told)
            # Its numbers are of order one once it has learned; by chance they cancel to less.
            worst = max(worst, float(apart.abs().max() / told.abs().max().clamp_min(1.0)))
            if self.parameters.pixels == "moved":
                seen = model.encode(model.encoder.move(g, frames))
                worst = max(worst, float((seen - moved).abs().max()) / size)
        model.train(training)
        return worst

    def describes(self) -> dict[str, Any]:
        """What the model is of, and how sure a latent is."""
        data, p, found = self.training.data, self.parameters, self._followed()
        return {
            "task": data.task_name,
            "task_options": data.task_options,
            "symmetry": described(self.world.symmetry),
            "state_names": tuple(data.task.state_names),
            "action_names": tuple(data.task.action_names),
            "dt": data.task.dt,
            "images": {self.topic: self.world.shape},
            "does": LATENT,
            "data": {"episodes": data.episodes, "transitions": len(data)},
            "facts": {
                "fields": self.model.latent.representation.fields,
                "told": [self.model.head.names[i] for i in self.model.head.linear.tolist()],
                "directions": [self.model.head.names[i] for i in self.model.head.direct],
                "frames": p.frames,
                "deviation": found.deviation,
                "start": found.start,
            },
        }

    def exports(self, folder: Path) -> dict[str, str]:
        """Images to latents, the next latent, and the state of one, as networks of plain layers."""
        model, data, correction = self.model, self.validation, self._followed().correction
        chosen = np.linspace(0, len(data.first) - 1, _ROWS).astype(int)
        at = data.first[chosen]
        states = data.world_states(at).reshape(len(at) * self.parameters.frames, -1)
        assert self.world.renderer is not None
        looked = np.stack([self.world.renderer.look(x)[0] for x in states]).astype(np.float32)
        images = torch.from_numpy(looked.reshape(len(at), -1, *looked.shape[2:]))
        given = images.to(self.device)
        with torch.no_grad():
            z = model.estimate(given)
            goal = torch.from_numpy(data.states[at][:, data.data.task.goal_slice]).to(z)
            actions = torch.from_numpy(data.data.action[chosen]).to(z)
            following = model.next_latent(z, model.limits.scaled(actions))
            told = model.head.tells(z)
            corrected = correction(following, z)
            state, nxt = torch.cat([z, goal], 1), torch.cat([following, goal], 1)
        written = {
            ESTIMATE: (model.export(), {IMAGES[0]: images}, ("value",), [z]),
            STEP: (model.export_step(), dict(zip(INPUTS, (state, actions))), OUTPUTS, [nxt]),  # noqa: B905
            TOLD: (model.export_head(), {STATE: z}, ("told", "directions"), told),
        }
        both = dict(zip(CORRECTED, (following, z), strict=True))
        written[CORRECT] = (plain(correction).eval(), both, (STATE,), [corrected])
        sizes = {"told": float(model.head.scale.max()) if len(model.head.scale) else 1.0}
        return {
            name: write_onnx(
                net.cpu(), folder / name, {k: v.cpu() for k, v in inputs.items()}, names,
                [one.cpu().numpy() for one in expected], sizes=sizes,
            )
            for name, (net, inputs, names, expected) in written.items()
        }  # fmt: skip

    def held(self) -> Held:
        """What it is judged on: stretches of episodes that nothing was chosen on."""
        p, data = self.parameters, self.test
        rows, rng = data.data.windows(p.horizon), keyed(p.seed, _HELD)
        rows = np.sort(rng.permutation(rows)[: p.evaluation])
        ahead = np.arange(p.horizon + 1)
        states = data.world_states(data.first[rows][:, None] + ahead)
        return held_of(self.world, rng, states, data.actions[rows[:, None] + ahead[:-1]])

    def metrics(self, training: Training) -> dict[str, float]:
        """Ranks and errors of the latents, and of the state that they tell: now and foretold."""
        found = super().metrics(training)  # type: ignore[misc]
        p, data = self.parameters, self.test
        rows = data.data.windows(p.horizon)[: 4 * p.evaluation]
        self.model.eval()
        with torch.no_grad():
            z = self._latents(data, data.first[rows])
            actions = data.actions[rows[:, None] + np.arange(p.horizon)]
            last = self.model.rollout(z, torch.from_numpy(actions).to(z))[:, -1]
            for said, latent, at in (("test", z, 0), (f"told_{p.horizon}", last, p.horizon)):
                states = self.model.head(latent).double().cpu().numpy()
                true = data.states[data.first[rows] + at][:, self.places]
                apart, turning = states - true, self.model.head.direct
                apart[:, turning] = (apart[:, turning] + np.pi) % (2.0 * np.pi) - np.pi
                for name, off in zip(self.model.head.names, apart.T, strict=True):
                    found[f"{said}_{name}"] = float(np.sqrt(np.mean(off**2)))
        return found

    def _latents(self, data: TaskFrames, at: np.ndarray) -> Tensor:
        """Of some states of a set, by way of their frames. (n,) -> (n, w)"""
        parts = [at[i : i + 500] for i in range(0, len(at), 500)]
        frames = (torch.from_numpy(data.frames(part)).to(self.device) for part in parts)
        return torch.cat([self.model.encode(f) for f in frames])

    def _followed(self) -> Followed:
        """How latents are best followed with the weights as they are."""
        if self._found is None:
            self.model.eval()
            sets = self.training, self.validation
            lengths = [k for k in (LENGTH, 10, 3, 1) if all(len(s.data.windows(k)) for s in sets)]
            learned, judged = (self._stretches(data, lengths[0]) for data in sets)
            p = self.parameters
            steps, begun = min(STEPS, p.steps), self.correction if p.settled else None
            found = follow(self.model, learned, judged, p.seed, steps, begun)
            self._found = found
            return found
        return self._found

    @torch.no_grad()
    def _stretches(self, data: TaskFrames, length: int, most: int = STRETCHES) -> Stretches:
        """Some stretches of a set, with the latents of what was seen in them."""
        rows = data.data.windows(length)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]
        at = data.first[rows][:, None] + np.arange(length + 1)
        once, back = np.unique(at, return_inverse=True)
        seen = self._latents(data, once)[torch.from_numpy(back.reshape(at.shape)).to(self.device)]
        actions = data.actions[rows[:, None] + np.arange(length)]
        states = data.states[at][..., self.places].astype(np.float32)
        return Stretches(seen, *(torch.from_numpy(a).to(self.device) for a in (actions, states)))


def _check_cost(task: Task, frames: int) -> None:
    """Hold images to telling all that a cost needs.

    Raises:
        InputError: Something that is not the goal is told by none.
    """
    told, goal = told_by_images(task, frames), task.goal_slice
    for i, name in enumerate(task.state_names):
        if i not in told and not goal.start <= i < goal.stop:
            remedy = "; say frames:=2" if i in told_by_images(task, 2) else ""
            said = f"frames:={frames}: no image tells {name}, which {task.name}'s cost needs"
            raise InputError(f"{said}{remedy}", "command line")
