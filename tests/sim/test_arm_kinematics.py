"""One description: MJCF, URDF in PyBullet and in MuJoCo, and our own kinematics say the same."""

import subprocess
import sys
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from covary.sim.robots import urdf
from covary.sim.robots.arm import Arm
from covary.sim.robots.floating_gripper import FloatingGripper
from covary.sim.robots.sawyer import SAWYER

POSES = 1000
TOLERANCE = 1e-6


class World:
    """A robot's model and data, and poses anywhere within its joints' limits."""

    def __init__(self, kind):
        self.robot = kind()
        self.model = mujoco.MjModel.from_xml_string(urdf.mjcf(self.robot))
        self.data = mujoco.MjData(self.model)
        self.urdf = urdf.urdf(self.model, self.robot.name)
        low, high = self.model.jnt_range.T
        limited = self.model.jnt_limited.astype(bool)
        self.low, self.high = np.where(limited, low, -3.0), np.where(limited, high, 3.0)
        rng = np.random.default_rng(0)
        self.poses = rng.uniform(self.low, self.high, (POSES, self.model.nq))

    def frames(self, model=None):
        """Position and rotation of every body and of the tool, at every pose."""
        model = model or self.model
        data = mujoco.MjData(model)
        found = {}
        for q in self.poses:
            data.qpos[:] = q
            mujoco.mj_kinematics(model, data)
            for body in range(1, model.nbody):
                one = found.setdefault(model.body(body).name, [])
                one.append((data.xpos[body].copy(), data.xmat[body].reshape(3, 3).copy()))
            if model.nsite:
                at = found.setdefault("tool", [])
                at.append((data.site_xpos[0].copy(), data.site_xmat[0].reshape(3, 3).copy()))
        return found


@pytest.fixture(scope="module", params=[Arm, FloatingGripper])
def world(request):
    return World(request.param)


@pytest.fixture(scope="module")
def arm():
    return World(Arm)


@pytest.fixture
def bullet(world, tmp_path):
    """PyBullet with the robot's URDF, and its joints and links by name."""
    pb = pytest.importorskip("pybullet")
    file = tmp_path / "robot.urdf"
    file.write_text(world.urdf, encoding="utf-8")
    client = pb.connect(pb.DIRECT)
    flags = pb.URDF_USE_INERTIA_FROM_FILE
    body = pb.loadURDF(str(file), useFixedBase=True, flags=flags, physicsClientId=client)
    info = [pb.getJointInfo(body, j, client) for j in range(pb.getNumJoints(body, client))]
    yield pb, client, body, info
    pb.disconnect(client)


def assert_alike(ours, theirs):
    assert np.abs(np.array(ours[0]) - theirs[0]).max() <= TOLERANCE
    assert np.abs(ours[1] - np.array(theirs[1])).max() <= TOLERANCE


def test_pybullet_has_every_link_where_mujoco_has_it(world, bullet):
    pb, client, body, info = bullet
    ours = world.frames()
    index = {joint[1].decode(): joint[0] for joint in info}
    order = [index[name] for name in world.robot.joint_names]
    links = {joint[12].decode(): joint[0] for joint in info}
    assert set(ours) <= set(links)
    for k, q in enumerate(world.poses):
        for joint, value in zip(order, q, strict=True):
            pb.resetJointState(body, joint, value, physicsClientId=client)
        states = pb.getLinkStates(
            body, list(links.values()), computeForwardKinematics=True, physicsClientId=client
        )
        for name, state in zip(links, states, strict=True):
            if name in ours:
                turn = np.reshape(pb.getMatrixFromQuaternion(state[5]), (3, 3))
                assert_alike(ours[name][k], (state[4], turn))


def test_mujoco_reads_the_urdf_as_it_reads_the_mjcf(world):
    read = mujoco.MjModel.from_xml_string(world.urdf)
    assert [read.joint(j).name for j in range(read.njnt)] == list(world.robot.joint_names)
    ours, theirs = world.frames(), world.frames(read)
    for name in set(ours) & set(theirs):
        for one, other in zip(ours[name], theirs[name], strict=True):
            assert_alike(one, other)


def test_our_own_kinematics_agree(world):
    found = world.robot.gripper(world.poses)
    for pose, q, (at, turn) in zip(found, world.poses, world.frames()["tool"], strict=True):
        assert np.abs(pose[:3] - at).max() <= TOLERANCE
        across = turn[1, 0] + turn[0, 1], turn[0, 0] - turn[1, 1]
        if np.hypot(*across) > 1e-3:  # a tool that looks up has no yaw
            apart = pose[3] - np.arctan2(*across)
            assert abs(np.sin(apart / 2)) <= TOLERANCE
        assert pose[4] == q[-2] + q[-1]


def test_one_pose_and_many_are_the_same(arm):
    many = arm.robot.gripper(arm.poses[:12].reshape(3, 4, -1))
    assert many.shape == (3, 4, 5)
    for q, pose in zip(arm.poses, many.reshape(-1, 5), strict=False):
        assert np.array_equal(arm.robot.gripper(q), pose)


def test_masses_inertias_and_limits_agree(arm):
    model, read = arm.model, mujoco.MjModel.from_xml_string(arm.urdf)
    root = ElementTree.fromstring(arm.urdf)
    for joint in SAWYER.joints:
        link = joint.link
        bodies = [model.body(link.name)]
        if joint != SAWYER.joints[-1]:  # with which MuJoCo has fused the hand
            bodies.append(read.body(link.name))
        xx, yy, zz, xy, xz, yz = link.inertia
        wanted = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        for one in bodies:
            assert one.mass[0] == pytest.approx(link.mass, rel=1e-9)
            turn = urdf.matrix(one.iquat)
            assert np.abs(turn @ np.diag(one.inertia) @ turn.T - wanted).max() <= 1e-8
            assert np.abs(one.ipos - link.centre).max() <= 1e-9
        element = root.find(f"joint[@name='{joint.name}']/limit").attrib
        limits = {key: float(value) for key, value in element.items()}
        assert limits == {
            "lower": joint.low,
            "upper": joint.high,
            "effort": joint.effort,
            "velocity": joint.velocity,
        }
        assert tuple(model.joint(joint.name).range) == (joint.low, joint.high)
        servo = model.actuator(joint.name)
        assert servo.forcerange[1] == joint.effort and servo.ctrlrange[1] == joint.velocity
        assert tuple(servo.actrange) == (joint.low, joint.high)
    assert read.body_mass.sum() == pytest.approx(model.body_mass[2:].sum(), abs=1e-7)
    assert list(arm.robot.rate_limits[:7]) == [joint.velocity for joint in SAWYER.joints]


def test_pybullet_has_the_same_masses_and_limits(world, bullet):
    pb, client, body, info = bullet
    for joint in info:
        name, link = joint[1].decode(), joint[12].decode()
        mass, _, diagonal = pb.getDynamicsInfo(body, joint[0], physicsClientId=client)[:3]
        if link in {world.model.body(b).name for b in range(world.model.nbody)}:
            ours = world.model.body(link)
            assert mass == pytest.approx(ours.mass[0], abs=TOLERANCE)
            assert np.sort(diagonal) == pytest.approx(np.sort(ours.inertia), abs=TOLERANCE)
        else:
            assert mass <= TOLERANCE
        if name in world.robot.joint_names and joint[2] == pb.JOINT_REVOLUTE:
            k = world.robot.joint_names.index(name)
            if world.model.jnt_limited[k]:
                assert joint[8:10] == (world.low[k], world.high[k])
            assert joint[10] == world.model.actuator_forcerange[k, 1]
            assert joint[11] == world.robot.rate_limits[k]


def test_the_urdf_is_a_tree_with_one_root(world):
    root = ElementTree.fromstring(world.urdf)
    links = [link.get("name") for link in root.findall("link")]
    joints = root.findall("joint")
    children = [joint.find("child").get("link") for joint in joints]
    parents = [joint.find("parent").get("link") for joint in joints]
    names = [joint.get("name") for joint in joints]
    assert len(set(links)) == len(links) and len(set(names)) == len(names)
    assert set(children) | set(parents) == set(links)
    assert len(set(children)) == len(children)  # nobody has two parents
    assert set(links) - set(children) == {"world"}
    above = dict(zip(children, parents, strict=True))
    for link in links:
        steps = 0
        while link != "world":
            link, steps = above[link], steps + 1
            assert steps <= len(links)
    for joint in joints:
        if joint.get("type") != "fixed":
            assert joint.find("limit") is not None and joint.find("axis") is not None


def test_every_inertia_is_one_that_a_body_can_have(arm):
    for inertia in ElementTree.fromstring(arm.urdf).iter("inertia"):
        v = {key: float(value) for key, value in inertia.attrib.items()}
        matrix = [[v["ixx"], v["ixy"], v["ixz"]], [v["ixy"], v["iyy"], v["iyz"]],
                  [v["ixz"], v["iyz"], v["izz"]]]  # fmt: skip
        a, b, c = np.linalg.eigvalsh(matrix)
        assert a > 0 and a + b >= c * (1 - 1e-9)


def test_what_urdf_cannot_say_is_refused():
    ball = '<mujoco><worldbody><body><joint name="b" type="ball"/><geom size="1"/></body></worldbody></mujoco>'  # noqa: E501
    with pytest.raises(ValueError, match="joint 'b'"):
        urdf.urdf(mujoco.MjModel.from_xml_string(ball), "ball")
    plane = '<mujoco><worldbody><geom name="floor" type="plane" size="1 1 1"/></worldbody></mujoco>'
    with pytest.raises(ValueError, match="geom 'floor'"):
        urdf.urdf(mujoco.MjModel.from_xml_string(plane), "plane")


def test_a_process_that_only_has_the_task_does_not_load_numba():
    code = """
import sys
from covary.sim.tasks.block_pick import BlockPick
task = BlockPick(robot="arm")
task.limits.bound()
assert "numba" not in sys.modules and "mujoco" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
