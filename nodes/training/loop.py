"""`Training`: the loop around a learner, which a kill at any moment cannot change the outcome of.

Whatever is drawn in a step is keyed by the seed and the step, so a training that goes on from its
checkpoint has, on a CPU, the same weights to the last bit as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..launching.yaml_loader import InputError, in_a_line
from .checkpoint import (
    LAST,
    Checkpoint,
    first_difference,
    read_checkpoint,
    remedy,
    write_checkpoint,
)
from .learner import Learner
from .recipe import Recipe

if TYPE_CHECKING:
    import torch

LOG = "log.jsonl"
"""One line for each look at the validation data, in the training's folder."""
SPLIT, _INITIAL, _UPDATE, _VALIDATION, FREE = range(1, 6)  # not 0: keys are padded with it


class TrainingError(RuntimeError):
    """A training that cannot go on; one line that says why, and what is left."""


@dataclass(frozen=True)
class Moment:
    """What there is to tell after an update."""

    step: int
    """Updates so far."""
    loss: float
    """Of this update's batch."""
    entry: dict[str, float] | None
    """What was written to the log, where the validation data were looked at."""


class Source(Protocol):
    """What is learned from, as far as the loop must know it."""

    @property
    def path(self) -> str:
        """Where it lies, or what it is called."""
        ...

    @property
    def sha256(self) -> str:
        """What tells it from all others."""
        ...


class Training:
    """One training in its folder; it goes on with what is there.

    Args:
        recipe: What to do.
        data: What to learn from.
        make: The learner, made on a device once it is known that the folder is of this training.

    Raises:
        InputError: The folder holds a training of another recipe or of other data, or a checkpoint
            that is damaged.

    Attributes:
        method: The learner.
        step: Updates so far.
        best: The figures of the step that is kept so far; empty: none yet.
        before: Equivariance error of the untrained network.
        log: The entries of the log.
        resumed: The step that it went on from; 0: it began.
        seconds: How long the updates took, s, those before an interruption included.
    """

    def __init__(
        self, recipe: Recipe, data: Source, make: Callable[[torch.device], Learner]
    ) -> None:
        import torch

        torch.set_num_threads(1)  # two threads on small nets are slower, and not reproducible
        p = recipe.parameters
        self.recipe, self.data, self.folder = recipe, data, Path(p.out)
        found = read_checkpoint(self.folder)
        if found:
            with self._readable():
                self._check_same(found)
        torch.manual_seed(_number(p.seed, _INITIAL))
        self.device = device_of(p.device)
        self.method = make(self.device)
        self.step, self.resumed, self.seconds = 0, 0, 0.0
        self.best: dict[str, float] = {}
        self.log: list[dict[str, Any]] = []
        self._best_weights: dict[str, torch.Tensor] = {}
        self._sums: dict[str, float] = {}
        if found:
            with self._readable():
                self._restore(found)
        else:
            self.before = self.method.equivariance_error()

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.recipe.parameters.steps

    @property
    def done(self) -> bool:
        """Whether there are no updates left."""
        return self.step >= self.steps

    def moments(self) -> Iterator[Moment]:
        """Do the updates that are left, one a moment; break off after any of them, then `save`.

        Raises:
            TrainingError: The loss is not finite; the last checkpoint stays as it was.
            OSError: A checkpoint cannot be written.
        """
        import torch

        p, method = self.recipe.parameters, self.method
        while not self.done:
            begin = time.perf_counter()
            for optimizer in method.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = group.setdefault("initial_lr", group["lr"]) * self.rate
            torch.manual_seed(_number(p.seed, _UPDATE, self.step))
            figures = method.update(self.step, keyed(p.seed, _UPDATE, self.step))
            self.step += 1
            loss = float(figures["loss"])
            if not math.isfinite(loss):
                raise self._lost(f"the loss is {loss}")
            for name, value in figures.items():
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
            self._sums["updates"] = self._sums.get("updates", 0.0) + 1.0
            self.seconds += time.perf_counter() - begin
            entry = None
            if self.step % p.validate_every == 0 or self.done:
                entry = self._look()
                self.save()
            yield Moment(self.step, loss, entry)

    @property
    def rate(self) -> float:
        """Share of the learning rate that this step has: half a cosine from one to zero."""
        return 0.5 * (1.0 + math.cos(math.pi * self.step / self.steps))

    def _look(self) -> dict[str, float]:
        """Validate, keep the weights if they are the best, and write a line of the log."""
        p, found = self.recipe.parameters, self._validated()
        if not math.isfinite(found["loss"]):
            raise self._lost(f"the validation loss is {found['loss']}")
        updates = self._sums.pop("updates", 1.0)
        entry: dict[str, float] = {"step": self.step}
        entry |= {name: total / updates for name, total in self._sums.items()}
        entry |= {f"validation_{name}": value for name, value in found.items()}
        entry |= {"learning_rate": self.rate * p.learning_rate, "seconds": round(self.seconds, 3)}
        self._sums = {}
        if not self.best or found["loss"] < self.best["validation_loss"]:
            self.best = dict(entry)
            self._best_weights = _copied(self.method.kept.state_dict())
        self.log.append(entry)
        return entry

    def _validated(self) -> dict[str, float]:
        """Figures on the validation data, by the same draws at every step."""
        import torch

        torch.manual_seed(_number(self.recipe.parameters.seed, _VALIDATION))
        modules = self.method.modules.values()
        for module in modules:
            module.eval()
        with torch.no_grad():
            found = self.method.validate()
        for module in modules:
            module.train()
        return {name: float(value) for name, value in found.items()}

    def use_best(self) -> None:
        """Give the network the weights that are kept; before there are any, those it has."""
        if self._best_weights:
            self.method.kept.load_state_dict(self._best_weights)

    # Outliving a kill.

    def save(self) -> None:
        """Write the checkpoint, and the log up to it.

        Raises:
            OSError: They cannot be written; the checkpoint before is still there.
        """
        import torch

        method = self.method
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, dict[str, Any]] = {
            "modules": {
                f"{name}/{key}": value
                for name, module in method.modules.items()
                for key, value in module.state_dict().items()
            },
            "optimizers": {
                f"{name}/{index}/{key}": value
                for name, optimizer in method.optimizers.items()
                for index, state in optimizer.state_dict()["state"].items()
                for key, value in state.items()
            },
            "memory": {
                name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in method.memory.items()
            },
            "best": self._best_weights,
        }
        facts = {
            "step": self.step,
            "method": self.recipe.parameters.method,
            "recipe": self.recipe.resolved,
            "data": {"sha256": self.data.sha256, "path": self.data.path},
            "best": self.best,
            "before": self.before,
            "sums": self._sums,
            "seconds": self.seconds,
        }
        partial = self.folder / f".{LOG}.partial"
        partial.write_text("".join(f"{json.dumps(e)}\n" for e in self.log), encoding="utf-8")
        partial.replace(self.folder / LOG)
        write_checkpoint(self.folder, Checkpoint(facts, tensors))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Whole files may still hold something else than a training of this recipe wrote.

        Raises:
            InputError: They do.
        """
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            place = self.folder / LAST
            said = in_a_line(f"{type(error).__name__}: {error}")[:200]
            raise InputError(
                f"no checkpoint of this training ({said}); {remedy(place)}", str(place)
            ) from None

    def _check_same(self, found: Checkpoint) -> None:
        facts = found.facts
        different = first_difference(facts["recipe"], self.recipe.resolved)
        if different is None and facts["data"]["sha256"] != self.data.sha256:
            there = f"its data were {facts['data']['path']}"
            different = f"was begun with other data ({there}, {facts['data']['sha256'][:8]})"
        if different is not None:
            out = self.folder
            said = f"out:={out}: {different}; name a new folder, or remove {out} to train anew"
            raise InputError(said, "command line")

    def _restore(self, found: Checkpoint) -> None:
        facts, tensors, method = found.facts, found.tensors, self.method
        for name, module in method.modules.items():
            module.load_state_dict(_below(tensors["modules"], name))
        for name, optimizer in method.optimizers.items():
            state: dict[int, dict[str, Any]] = {}
            for key, value in _below(tensors["optimizers"], name).items():
                index, _, what = key.partition("/")
                state.setdefault(int(index), {})[what] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        method.memory = {name: t.numpy() for name, t in tensors["memory"].items()}
        self._best_weights = {k: t.to(self.device) for k, t in tensors["best"].items()}
        self.step = self.resumed = int(facts["step"])
        if not 0 <= self.step <= self.steps:
            raise ValueError(f"step {self.step} of {self.steps}")
        self.best, self.before = _numbers(facts["best"]), float(facts["before"])
        self._sums, self.seconds = _numbers(facts["sums"]), float(facts["seconds"])
        self.log = [e for e in _logged(self.folder / LOG) if e["step"] <= self.step]

    def _lost(self, what: str) -> TrainingError:
        held = read_checkpoint(self.folder)
        left = f"{self.folder / 'last'} is good up to step {held.facts['step']}" if held else (
            "there was no checkpoint yet")  # fmt: skip
        return TrainingError(
            f"step {self.step}: {what}, so it stops; {left}. A smaller learning_rate:= than "
            f"{self.recipe.parameters.learning_rate:g} into a new out:= may help"
        )


def keyed(seed: int, purpose: int, step: int = 0) -> np.random.Generator:
    """The generator of one purpose and step: a function of these numbers alone."""
    return np.random.default_rng((seed, purpose, step))


def device_of(name: str) -> torch.device:
    """Where to compute.

    Raises:
        InputError: There is no such device here.
    """
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("device:=cuda: torch sees no GPU here; take auto or cpu", "command line")
    # Ten bits of a factor, as convolutions have by default, would be no symmetry to 1e-5.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def _number(seed: int, purpose: int, step: int = 0) -> int:
    """For torch's own generator, of layers that draw by themselves."""
    words = np.random.SeedSequence((seed, purpose, step)).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def _below(tensors: dict[str, Any], name: str) -> dict[str, Any]:
    start = f"{name}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """A mapping out of a file, held to what it must be; whole numbers stay whole."""
    return {str(k): v if isinstance(v, int) else float(v) for k, v in found.items()}


def _logged(path: Path) -> list[dict[str, Any]]:
    """The entries of a log; none where it is not one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [entry for line in lines if float((entry := json.loads(line))["step"]) >= 0]
    except (OSError, ValueError, TypeError, LookupError):
        return []
