"""A task's scene as things to draw: the bodies of its MuJoCo model, their shapes and poses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from ..goal_marks import GoalMarks
from ..task import Task

INFINITE = 2.0
"""Half size at which a plane without bounds is drawn, m."""
HIDDEN_GROUP = 3
"""From this group on MuJoCo's own viewer hides geoms (collision shapes), and so do we."""
_DEFAULT = (0.5, 0.5, 0.5, 1.0)  # of a geom that says no colour: then its material's holds


@dataclass(frozen=True, eq=False)
class Shape:
    """A geom as it is drawn, fixed in its body.

    Attributes:
        name: Its own within the scene.
        kind: box, sphere, ellipsoid, capsule, cylinder, plane or mesh.
        size: Half sizes as MuJoCo has them, m. (3,)
        colour: Red, green, blue, 0 to 255.
        opacity: 0 to 1.
        position: In its body's frame, m. (3,)
        wxyz: Orientation in its body's frame. (4,)
        vertices: Of a mesh, else empty. (V, 3)
        faces: Of a mesh, else empty. (F, 3)
    """

    name: str
    kind: str
    size: np.ndarray
    colour: tuple[int, int, int]
    opacity: float
    position: np.ndarray
    wxyz: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray


class Scene:
    """The bodies of a task's model, and where they are in any state. It simulates nothing.

    Args:
        task: The task.
        model: The MJCF text that an episode's START carries; None or the task's own: the installed
            one, which may name other files.

    Attributes:
        bodies: Names of the bodies that have something to draw, the world's first.
        shapes: What is drawn of each.
        extent: How much of it a look should take in, m.
        tells_all: Whether the state vector says where everything is; else `restore` does.

    Raises:
        ValueError: The model does not load.
    """

    def __init__(self, task: Task, model: str | None = None) -> None:
        self.task = task
        own = model is None or model == task.model_text()
        plant = task.plant() if own else task.plant(model=model)
        # What is no MuJoCo model has nothing to draw.
        self.model = plant.model or mujoco.MjModel.from_xml_string("<mujoco/>")
        self.data = mujoco.MjData(self.model)
        mujoco.mj_resetData(self.model, self.data)
        self.tells_all = not task.opaque
        self._marks = GoalMarks(task, self.model)
        self._joints = {
            self.model.joint(j).name: int(self.model.jnt_qposadr[j])
            for j in range(self.model.njnt)
            if self.model.jnt_type[j] in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
        }
        drawn: dict[int, list[Shape]] = {}
        for geom in range(self.model.ngeom):
            shape = _shape(self.model, geom)
            if shape is not None:
                drawn.setdefault(int(self.model.geom_bodyid[geom]), []).append(shape)
        self._ids = sorted(drawn)
        self.bodies = tuple(_name(self.model.body(i).name, "body", i) for i in self._ids)
        self.shapes = tuple(tuple(drawn[i]) for i in self._ids)
        everything = float(np.clip(self.model.stat.extent, 0.2, 4.0))
        self.extent = task.extent if self.tells_all else everything

    def poses(
        self, x: np.ndarray, joints: Mapping[str, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the bodies are in state x (n,).

        Args:
            x: The task's state vector, goal included.
            joints: What joint sensors say; it overrides what the state says.

        Returns:
            Positions, m, and orientations (w, x, y, z) of `bodies`. (B, 3), (B, 4)
        """
        if self.tells_all:
            try:
                self.data.qpos[:] = self.task.physics_from_state(x)[0]
            except ValueError:  # a pose that the arm's own kinematics do not give: it stays
                pass
            self._marks.place(self.data, x[self.task.goal_slice])
        for name, value in (joints or {}).items():
            if name in self._joints:
                self.data.qpos[self._joints[name]] = value
        mujoco.mj_kinematics(self.model, self.data)
        return self.data.xpos[self._ids].copy(), self.data.xquat[self._ids].copy()

    def untold(self, told: np.ndarray) -> list[str]:
        """The bodies whose place hangs on other coordinates of the state than those `told` (k,)."""
        starts = [self.task.initial_state(np.random.default_rng(key)) for key in (0, 1)]
        starts[1][told] = starts[0][told]
        placed = [np.hstack(self.poses(x)) for x in starts]
        moved = np.abs(placed[1] - placed[0]).max(axis=1) > 1e-9
        return [body for body, there in zip(self.bodies, moved, strict=True) if there]

    def restore(self, state: np.ndarray) -> None:
        """Put everything where the physics had it: MuJoCo's integration state (N,).

        Where a task cannot tell that from its state vector, `poses` goes on from here.
        """
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        if len(state) == mujoco.mj_stateSize(self.model, kind) and np.isfinite(state).all():
            mujoco.mj_setState(self.model, self.data, np.array(state, float), kind)

    def positions(self, states: np.ndarray, body: str) -> np.ndarray:
        """Where one body is in each of many states. (H, n) -> (H, 3), m"""
        index = self.model.body(body).id
        found = np.empty((len(states), 3))
        for row, qpos in enumerate(self.task.physics_from_state(states)[0]):
            self.data.qpos[:] = qpos
            mujoco.mj_kinematics(self.model, self.data)
            found[row] = self.data.xpos[index]
        return found

    def has_body(self, name: str) -> bool:
        """Whether the model has a body of that name."""
        return mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, name) >= 0


def _shape(model: mujoco.MjModel, geom: int) -> Shape | None:
    """A geom as a shape, or None for what is not seen."""
    kinds = {
        mujoco.mjtGeom.mjGEOM_BOX: "box",
        mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
        mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
        mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
        mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
        mujoco.mjtGeom.mjGEOM_PLANE: "plane",
        mujoco.mjtGeom.mjGEOM_MESH: "mesh",
    }
    kind = kinds.get(mujoco.mjtGeom(model.geom_type[geom]))
    rgba = model.geom_rgba[geom]
    if model.geom_matid[geom] >= 0 and np.allclose(rgba, _DEFAULT):
        rgba = model.mat_rgba[model.geom_matid[geom]]
    if kind is None or rgba[3] <= 0 or model.geom_group[geom] >= HIDDEN_GROUP:
        return None
    size = np.array(model.geom_size[geom])
    if kind == "plane":
        size[:2] = np.where(size[:2] > 0, size[:2], INFINITE)
    vertices, faces = np.zeros((0, 3)), np.zeros((0, 3), int)
    if kind == "mesh":
        mesh = model.mesh(model.geom_dataid[geom])
        start, count = int(mesh.vertadr[0]), int(mesh.vertnum[0])
        vertices = model.mesh_vert[start : start + count].copy()
        start, count = int(mesh.faceadr[0]), int(mesh.facenum[0])
        faces = model.mesh_face[start : start + count].copy()
    red, green, blue = (int(round(255 * float(np.clip(c, 0, 1)))) for c in rgba[:3])
    return Shape(
        name=_name(model.geom(geom).name, "geom", geom),
        kind=kind,
        size=size,
        colour=(red, green, blue),
        opacity=float(min(rgba[3], 1.0)),
        position=model.geom_pos[geom].copy(),
        wxyz=model.geom_quat[geom].copy(),
        vertices=vertices,
        faces=faces,
    )


def _name(name: str, kind: str, index: int) -> str:
    """A name without the slash that would make a tree of it."""
    return name.replace("/", "_") if name else f"{kind}_{index}"
