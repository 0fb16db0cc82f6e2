"""What the dials change in a scene: gravity, wind, damping, lights and what stands in view."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from ..nodes.parameters import ParameterError
from .dials import Dials
from .task import Task

AIR = 1.2
"""Density of air, kg/m3."""
RELIEF = 0.005
"""Height of the floor's tiles at most, m."""
_TILES = 6  # along each side of the pattern
_TILE = 0.05  # half a tile's side, m
_PLATE = np.array([0.06, 0.09, 0.4])  # where the plate hangs, m


def dialled_model(task: Task, dials: Dials, text: str | None = None) -> mujoco.MjModel:
    """The compiled scene of a task, with its dials turned.

    Args:
        task: The task.
        dials: The dials.
        text: MJCF to use instead of the task's own.

    Raises:
        ValueError: The text does not load.
        ParameterError: A dial that can change nothing in this scene.
    """
    if not (dials.floor_pattern or dials.occluder):
        model = task.compiled() if text is None else mujoco.MjModel.from_xml_string(text)
    else:
        if text is None and task.mjcf:
            spec = mujoco.MjSpec.from_file(task.mjcf)
        else:
            spec = mujoco.MjSpec.from_string(task.model_text() if text is None else text)
        _add_things(spec, dials)
        model = spec.compile()
    _turn_forces(model, task, dials)
    if dials.light:
        left = 1.0 - dials.light
        head = model.vis.headlight
        for part in (head.ambient, head.diffuse, head.specular):
            part[:] *= left
        for part in (model.light_ambient, model.light_diffuse, model.light_specular):
            part[:] *= left
    return model


def _turn_forces(model: mujoco.MjModel, task: Task, dials: Dials) -> None:
    """Gravity, wind and damping."""
    if dials.gravity_tilt:
        strength = float(np.linalg.norm(model.opt.gravity))
        if not strength:
            raise ParameterError(f"dials: gravity_tilt: {task.name} has no gravity", "dials")
        lean = math.radians(dials.gravity_tilt)
        model.opt.gravity[:] = [strength * math.sin(lean), 0.0, -strength * math.cos(lean)]
    if dials.wind:
        model.opt.wind[:] = [dials.wind, 0.0, 0.0]
        model.opt.density = max(model.opt.density, AIR)
    if dials.damping:
        along = _along_x(model)
        if not along:
            raise ParameterError(f"dials: damping: nothing in {task.name} slides along x", "dials")
        model.dof_damping[along] += dials.damping


def _along_x(model: mujoco.MjModel) -> list[int]:
    """The degrees of freedom that move something along the world's x."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    free = {
        int(model.body_rootid[model.jnt_bodyid[j]])
        for j in range(model.njnt)
        if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE
    }
    found = []
    for j in range(model.njnt):
        kind, root = model.jnt_type[j], int(model.body_rootid[model.jnt_bodyid[j]])
        slides = kind == mujoco.mjtJoint.mjJNT_SLIDE and root not in free
        ahead = abs(data.xaxis[j, 0]) > 0.999
        if kind == mujoco.mjtJoint.mjJNT_FREE or (slides and ahead):
            found.append(int(model.jnt_dofadr[j]))
    return found


def _add_things(spec: mujoco.MjSpec, dials: Dials) -> None:
    """Hang up the plate and lay the tiles, in bodies of their own after all others."""
    alone = {"contype": 0, "conaffinity": 0, "mass": 0.0, "type": mujoco.mjtGeom.mjGEOM_BOX}
    if dials.floor_pattern:
        body = spec.worldbody.add_body(name="dial_floor")
        dark = np.random.default_rng(0).uniform(0.0, 1.0, (_TILES, _TILES))
        for (i, j), shade in np.ndenumerate(dark):
            grey = 0.86 * (1.0 - dials.floor_pattern * shade)
            high = max(dials.floor_pattern * shade * RELIEF / 2, 1e-5)
            where = 2 * _TILE * (np.array([i, j]) - (_TILES - 1) / 2)
            body.add_geom(
                size=[_TILE, _TILE, high], pos=[*where, high], rgba=[grey, grey, grey, 1.0], **alone
            )
    if dials.occluder:
        body = spec.worldbody.add_body(name="dial_plate", pos=_PLATE)
        half = dials.occluder / 2
        body.add_geom(size=[half, half, 0.001], rgba=[0.05, 0.05, 0.05, 1.0], **alone)
