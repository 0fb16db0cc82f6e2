"""Folders of policies made by hand: a card, and a network of one matrix."""

import hashlib
from pathlib import Path

import numpy as np

from covary.control.policy_card import (
    FORMAT,
    NETWORK,
    ImageInput,
    PolicyCard,
    write_card,
)
from covary.sim.built_on import described


def hand_policy(
    folder: Path,
    task,
    gain: np.ndarray,
    unsure: np.ndarray | None = None,
    chunk: int = 1,
    execute: int = 1,
    images: dict[str, int] | None = None,
    whole: bool = False,
    bias: float = 0.0,
    network: bool = True,
    **changes,
) -> Path:
    """A policy whose every action is ``gain @ state + bias``, and which is unsure by a product.

    Args:
        folder: Where it goes.
        task: What it is for.
        gain: (m, n) over the coordinates that it sees.
        unsure: Its uncertainty is ``|unsure @ state|``; None: zero. (n,)
        chunk: Actions in an answer, all the same.
        execute: How many of them are executed.
        images: Heightmaps that it sees: name -> pixels. What they show is added, times zero.
        whole: Whether it sees the whole state where the sensors tell a part only.
        bias: Added to every action; NaN makes a network that answers nothing.
        network: Whether there is a file of the network.
        **changes: Other fields of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = images or {}
    topic = "/ground_truth" if task.sensed and whole else "/state"
    names = tuple(task.state_names) if whole or not task.sensed else task.sensed_state()[0]
    digest = {}
    if network:
        model = _network(np.asarray(gain), unsure, chunk, images, bias)
        (folder / NETWORK).write_bytes(model)
        digest = {NETWORK: hashlib.sha256(model).hexdigest()}
    fields = {
        "covary_policy": FORMAT,
        "task": task.name,
        "task_options": {},
        "state_topic": topic,
        "state_names": names,
        "images": {
            name: ImageInput(f"/camera/{name}/image_raw", (1, pixels, pixels))
            for name, pixels in images.items()
        },
        "action_names": tuple(task.action_names),
        "dt": task.dt,
        "chunk": chunk,
        "execute": execute,
        "noise": 0,
        "symmetry": described(task.symmetry),
        "mode": "exact",
        "method": "bc",
        "recipe": {},
        "data": {"path": "by hand", "sha256": "", "episodes": 0, "ticks": 0},
        "seed": 0,
        "revision": "",
        "parameters": int(np.size(gain)),
        "files": digest,
    }
    write_card(folder, PolicyCard(**(fields | changes)))
    return folder


def _network(gain, unsure, chunk, images, bias) -> bytes:
    import onnx  # here, since a test that needs none must not need the package
    from onnx import TensorProto, helper, numpy_helper

    rows, width = gain.shape
    unsure = np.zeros(width) if unsure is None else np.asarray(unsure)
    inputs = [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", width])]
    nodes, whole = [], "moved"
    for name, pixels in images.items():
        shape = ["batch", 1, pixels, pixels]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        nodes.append(
            helper.make_node("ReduceMean", [name], [f"{name}_mean"], axes=[1, 2, 3], keepdims=0)
        )
        nodes.append(helper.make_node("Mul", [f"{name}_mean", "zero"], [f"{name}_none"]))
        nodes.append(helper.make_node("Unsqueeze", [f"{name}_none", "one"], [f"{name}_column"]))
        nodes.append(helper.make_node("Add", [whole, f"{name}_column"], [f"{name}_sum"]))
        whole = f"{name}_sum"
    first = [
        helper.make_node("MatMul", ["state", "gain"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["moved"]),
    ]
    last = [
        helper.make_node("Concat", [whole] * chunk, ["row"], axis=1),
        helper.make_node("Reshape", ["row", "shape"], ["action"]),
        helper.make_node("MatMul", ["state", "unsure"], ["signed"]),
        helper.make_node("Abs", ["signed"], ["uncertainty"]),
    ]
    constants = {
        "gain": gain.T.astype(np.float32),
        "bias": np.full(rows, bias, np.float32),
        "zero": np.float32(0.0).reshape(()),
        "one": np.array([1]),
        "shape": np.array([-1, chunk, rows]),
        "unsure": unsure.astype(np.float32),
    }
    graph = helper.make_graph(
        [*first, *nodes, *last],
        "by hand",
        inputs,
        [
            helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", chunk, rows]),
            helper.make_tensor_value_info("uncertainty", TensorProto.FLOAT, ["batch"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def homing_gain() -> np.ndarray:
    """For `point_mass`: a spring and damper straight at the goal. (2, 6)"""
    gain = np.zeros((2, 6))
    for k in range(2):
        gain[k, [k, 2 + k, 4 + k]] = -8.0, -4.0, 8.0
    return gain


def chasing_gain() -> np.ndarray:
    """For `push`: the pusher runs after the box. (2, 8)"""
    gain = np.zeros((2, 8))
    for k in range(2):
        gain[k, [k, 2 + k]] = -2.0, 2.0
    return gain
