"""Untrained policies in folders, as training writes them: a network, its file and its card."""

from pathlib import Path

import numpy as np

from covary.control.policy_card import CARD, FORMAT, NETWORK, ImageInput, PolicyCard
from covary.sim.built_on import described
from covary.sim.load_task import load_task


def states(task, count, seed=0):
    """Starts, and what lies around them. (count, n)"""
    rng = np.random.default_rng(seed)
    starts = np.stack([task.initial_state(rng) for _ in range(count)])
    return starts + 0.02 * rng.standard_normal(starts.shape)


def heights(pixels, count, seed=0):
    """Images of heights. (count, 1, pixels, pixels)"""
    return np.random.default_rng(seed).uniform(0.0, 0.1, (count, 1, pixels, pixels))


def made_policy(
    folder, task_name="push", task_options=None, pixels=0, execute=1, seed=0, **architecture
) -> tuple[Path, PolicyCard]:
    """A folder with a policy that has learned nothing.

    Args:
        folder: Where; it is made.
        task_name: Its task.
        task_options: Of the task.
        pixels: Side of the heightmap that it looks at; 0: it sees the state alone.
        execute: Actions of each chunk.
        seed: Of its weights.
        **architecture: Fields of `Architecture`.
    """
    import torch

    from covary.control.policies.export import export_onnx
    from covary.control.policies.network import Architecture, PolicyNetwork

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    task = load_task(task_name, task_options)
    shapes = {"heightmap": ImageInput("/camera/heightmap/image_raw", (1, pixels, pixels))}
    images = shapes if pixels else {}
    wanted = Architecture(**{"width": 32, "depth": 2} | architecture)
    network = PolicyNetwork(task, task.state_names, images, wanted)
    x, seen = states(task, 8, seed), {name: heights(pixels, 8, seed) for name in images}
    network.fit_normaliser(x, seen)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digest = export_onnx(network, folder / NETWORK, x, seen)
    card = PolicyCard(
        covary_policy=FORMAT,
        task=task_name,
        task_options=dict(task_options or {}),
        state_topic="/ground_truth",
        state_names=tuple(task.state_names),
        images=images,
        action_names=tuple(task.action_names),
        dt=task.dt,
        chunk=wanted.chunk,
        execute=execute,
        noise=network.noise,
        symmetry=described(network.symmetry),
        mode=wanted.mode,
        method="bc",
        recipe={},
        data={"path": "", "sha256": "", "episodes": 0, "ticks": 0},
        seed=seed,
        revision="",
        parameters=network.parameter_count,
        files={NETWORK: digest},
    )
    write(folder, card)
    return folder, card


def write(folder, card):
    """The card, in a folder."""
    from covary.control.policy_card import write_card

    assert write_card(folder, card) == Path(folder) / CARD
