"""The arm in physics: it goes where it is told, holds, stays upright, and keeps to its limits."""

import mujoco
import numpy as np
import pytest

from covary.sim.plant import Plant, hold
from covary.sim.robots import urdf
from covary.sim.robots.arm import Arm
from covary.sim.robots.robot import TICKS_PER_RATE
from covary.sim.robots.sawyer import SAWYER
from covary.sim.tabletop.tabletop import SPEED, TURN
from covary.sim.tasks.block_pick import BlockPick

DT = 0.0025
LOW, HIGH = SAWYER.low, SAWYER.high
TABLE = (
    '<worldbody>\n<geom name="table" type="plane" size="2 2 0.1" friction="0.5 0.005 0.0001" '
    'condim="4"/>'
)


class Bench:
    """The arm over a table with nothing on it."""

    def __init__(self):
        self.arm = Arm()
        text = urdf.mjcf(self.arm).replace("<worldbody>", TABLE)
        self.model = mujoco.MjModel.from_xml_string(text)
        self.data = mujoco.MjData(self.model)
        self.tick = 0

    def start(self, pose, opening=0.04):
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.arm.posture(np.array([*pose, opening], float))
        hold(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        self.tick = 0

    def run(self, u, seconds):
        """Goes on for a while; gives the tool's x, y, z, yaw and its tilt (rad) at every tick."""
        seen = []
        for _ in range(round(seconds / DT)):
            self.arm.actuate(self.data, u, self.tick)
            mujoco.mj_step(self.model, self.data)
            self.tick += 1
            mujoco.mj_kinematics(self.model, self.data)
            seen.append(self.tool())
        return np.array(seen)

    def tool(self):
        turn = self.data.site("tool").xmat.reshape(3, 3)
        yaw = np.arctan2(turn[1, 0] + turn[0, 1], turn[0, 0] - turn[1, 1])
        tilt = np.arctan2(np.hypot(turn[0, 2], turn[1, 2]), -turn[2, 2])
        return [*self.data.site("tool").xpos, yaw, tilt]


@pytest.fixture(scope="module")
def bench():
    return Bench()


def somewhere(rng, radius=0.25, low=0.012, high=0.35, yaw=np.pi):
    """A pose in the workspace: x, y, z, yaw."""
    away, direction = radius * np.sqrt(rng.uniform()), rng.uniform(-np.pi, np.pi)
    x, y = away * np.cos(direction), away * np.sin(direction)
    return np.array([x, y, rng.uniform(low, high), rng.uniform(-yaw, yaw)])


# Postures.


def test_every_pose_of_the_workspace_has_a_posture_with_room_to_move(bench):
    rng = np.random.default_rng(1)
    targets = np.array([[*somewhere(rng), rng.uniform(0, 0.08)] for _ in range(300)])
    q = bench.arm.posture(targets)
    found = bench.arm.gripper(q)
    found[:, 3] += 2 * np.pi * np.round((targets[:, 3] - found[:, 3]) / (2 * np.pi))
    assert np.abs(found - targets).max() < 1e-9
    assert np.minimum(q[:, :7] - LOW, HIGH - q[:, :7]).min() > 0.35
    smallest = []
    for row in q:
        bench.data.qpos[:] = row
        mujoco.mj_forward(bench.model, bench.data)
        assert bench.tool()[4] < 1e-9
        names = [
            {bench.model.geom(contact.geom1).name, bench.model.geom(contact.geom2).name}
            for contact in bench.data.contact
        ]
        fingers = {"finger_left", "finger_right", "table"}
        assert all(pair <= fingers for pair in names)
        J = np.empty((6, bench.model.nv))
        mujoco.mj_jacSite(bench.model, bench.data, J[:3], J[3:], bench.model.site("tool").id)
        smallest.append(np.linalg.svd(J[:, :7])[1][-1])
    assert min(smallest) > 0.08


def test_a_posture_depends_on_its_pose_alone(bench):
    rng = np.random.default_rng(2)
    targets = np.array([[*somewhere(rng), 0.04] for _ in range(6)]).reshape(2, 3, 5)
    together = bench.arm.posture(targets)
    assert together.shape == (2, 3, 9)
    for row, q in zip(targets.reshape(-1, 5)[::-1], together.reshape(-1, 9)[::-1], strict=True):
        assert np.array_equal(Arm().posture(row), q)


@pytest.mark.parametrize(
    "pose",
    [
        (1.0, 0, 0.2, 0, 0.04),
        (0, 0, 1.5, 0, 0.04),
        (0, 0, 0.2, 0, 0.1),
        (0, 0, 0.2, np.nan, 0),
    ],
)
def test_what_it_cannot_reach_is_one_line(bench, pose):
    with pytest.raises(ValueError, match="does not reach|opens from|no pose") as error:
        bench.arm.posture(np.array(pose))
    assert len(str(error.value).splitlines()) == 1


# Rates.


def test_rates_move_the_gripper_as_commanded(bench):
    rng, step = np.random.default_rng(3), 1e-6
    for _ in range(50):
        q = bench.arm.posture(np.array([*somewhere(rng, yaw=1.5), 0.04]))
        u = np.array([0.05, *rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.5, 0.5)])
        rates = bench.arm.joint_rates(q, u)
        after, before = (bench.arm.gripper(q + side * step * rates) for side in (1, -1))
        measured = (after - before) / (2 * step)
        # They are those of half a step ahead, 6 ms: so not exactly.
        assert np.abs(measured - u[[1, 2, 3, 4, 0]]).max() < 4e-3


def test_the_way_does_not_depend_on_the_speed(bench):
    rng = np.random.default_rng(4)
    for _ in range(20):
        q = bench.arm.posture(np.array([*somewhere(rng, yaw=1.5), 0.04]))
        u = np.array([0, *rng.uniform(-0.02, 0.02, 3), rng.uniform(-0.1, 0.1)])
        slow, slower = bench.arm.joint_rates(q, u), bench.arm.joint_rates(q, 0.01 * u)
        assert np.abs(slow - 100 * slower).max() < 2e-3
    assert not bench.arm.joint_rates(q, np.zeros(5)).any()


def test_rates_keep_to_their_limits_and_their_direction(bench):
    rng = np.random.default_rng(5)
    limits = bench.arm.rate_limits
    for _ in range(300):
        q = np.concatenate([rng.uniform(LOW, HIGH), [0.02, 0.02]])
        u = rng.uniform(-1, 1, 5) * [1, 3, 3, 3, 20]
        rates = bench.arm.joint_rates(q, u)
        assert np.isfinite(rates).all() and (np.abs(rates) <= limits * (1 + 1e-12)).all()
    q = bench.arm.posture(np.array([0.1, 0.0, 0.2, 0.0, 0.04]))
    u = np.array([0, 0.0, 0.0, 50.0, 0.0])
    up = bench.arm.joint_rates(q, u)
    assert np.isclose(np.abs(up / limits).max(), 1.0)  # the fastest joint at its limit
    step = 1e-6
    way = bench.arm.gripper(q + step * up)[:3] - bench.arm.gripper(q)[:3]
    assert way[2] / np.linalg.norm(way) > 0.999


def test_a_joint_at_its_limit_is_left_out_and_the_others_do_it(bench):
    q = bench.arm.posture(np.array([0.0, 0.0, 0.2, 0.0, 0.04]))
    at = 2  # one that the gripper can spare
    arm = Arm()
    u = np.array([0.0, 0.05, 0.05, 0.0, 0.0])
    wants = arm.joint_rates(q, u)[at]
    row = 1 if wants > 0 else 0
    arm._limits[row, at] = q[at]
    rates = arm.joint_rates(q, u)
    assert abs(rates[at]) < 1e-12
    way = (arm.gripper(q + 1e-6 * rates) - arm.gripper(q)) / 1e-6
    assert np.abs(way[:4] - u[1:]).max() < 4e-3


# In closed loop.


def test_it_tracks_what_is_commanded(bench):
    rng = np.random.default_rng(6)
    for _ in range(12):
        start, end = (somewhere(rng, 0.20, 0.03, 0.35, 1.5) for _ in range(2))
        bench.start(start)
        u = np.array([0.0, *(end - start) / 2.0])
        seen = bench.run(u, 2.0)
        wanted = start + DT * np.arange(1, len(seen) + 1)[:, None] * u[1:]
        assert np.degrees(seen[:, 4].max()) < 0.2
        # Its servos are 7.5 ms behind; so with it at 0.2 m/s.
        assert np.linalg.norm(seen[:, :3] - wanted[:, :3], axis=1).max() < 2e-3
        assert np.degrees(np.abs(seen[:, 3] - wanted[:, 3])).max() < 1.0
        rest = bench.run(np.zeros(5), 0.2)[-1]
        assert np.linalg.norm(rest[:3] - end[:3]) < 5e-5 and abs(rest[3] - end[3]) < 1e-4


def test_at_full_speed_it_is_late_but_on_its_way(bench):
    for direction in np.linspace(0, 2 * np.pi, 6, endpoint=False):
        across = np.array([np.cos(direction), np.sin(direction), 0.0])
        start = np.array([*(-0.15 * across[:2]), 0.1])
        bench.start([*start, -0.8])
        seen = bench.run(np.array([0.0, *(SPEED * across), TURN]), 1.0)
        away = seen[:, :3] - start
        aside = away - np.outer(away @ across, across)
        assert np.linalg.norm(aside, axis=1).max() < 1e-3
        assert np.degrees(seen[:, 4].max()) < 0.2
        late = SPEED * DT * np.arange(1, len(seen) + 1) - away @ across
        assert late.max() < 3.5e-3


def drive(bench, target, seconds=6.0):
    """Drives the tool to a pose as a script would; gives its greatest tilt, and where it ends."""
    tilt = 0.0
    for _ in range(round(seconds / 0.05)):
        apart = target - bench.tool()[:4]
        if np.abs(apart[:3]).max() < 5e-4 and abs(apart[3]) < 5e-3:
            break
        u = np.array([0.0, *(6.0 * apart)])
        u[1:4] *= min(1.0, SPEED / np.linalg.norm(u[1:4]))
        u[4] = np.clip(u[4], -TURN, TURN)
        tilt = max(tilt, bench.run(u, 0.05)[:, 4].max())
    return tilt, np.abs(target - bench.tool()[:4])


def test_100_poses_are_reached_one_after_the_other(bench):
    rng = np.random.default_rng(7)
    bench.start([0, 0, 0.2, 0])
    for _ in range(100):
        tilt, left = drive(bench, somewhere(rng, yaw=2.8))
        assert left[:3].max() < 1e-3 and left[3] < 1e-2
        assert np.degrees(tilt) < 1.0


@pytest.mark.parametrize("load", [0.0, 0.3])
def test_zero_holds(bench, load):
    for pose in ((0, 0, 0.15, 0), (0.2, 0.15, 0.3, 1.5), (-0.2, -0.1, 0.05, -1.5)):
        bench.start(pose)
        bench.data.xfrc_applied[bench.model.body("hand").id, 2] = -9.81 * load
        seen = bench.run(np.zeros(5), 2.0)
        bench.data.xfrc_applied[:] = 0.0
        assert np.abs(seen[:, :3] - pose[:3]).max() < 1e-4  # the sag under the load included
        assert np.abs(seen[40:, :3] - seen[40, :3]).max() < 1e-6
        assert seen[:, 4].max() < 1e-3


# What no one should command.


@pytest.mark.parametrize(
    "u",
    [
        (0, SPEED, 0, 0, 0),
        (0, -SPEED, 0, 0, 0),
        (0, 0, SPEED, 0, 0),
        (0, 0, -SPEED, 0, 0),
        (0, 0, 0, SPEED, 0),
        (0, 0, 0, -SPEED, 0),
        (0, 0, 0, 0, TURN),
        (0, 0, 0, 0, -TURN),
        (0.1, -0.18, -0.18, SPEED, -TURN),
    ],
)
def test_out_of_reach_it_stays_within_its_limits(bench, u):
    bench.start([0, 0, 0.18, 0])
    u, limits = np.array(u, float), bench.arm.rate_limits
    fastest, beyond = 0.0, 0.0
    for _ in range(60):
        bench.run(u, 0.1)
        assert (np.abs(bench.data.ctrl) <= limits * (1 + 1e-12)).all()
        fastest = max(fastest, np.abs(bench.data.qvel[:7] / SAWYER.velocity).max())
        q = bench.data.qpos[:7]
        beyond = max(beyond, (LOW - q).max(), (q - HIGH).max())
    assert np.isfinite(bench.data.qpos).all() and fastest < 1.05 and beyond < 1e-3
    # It comes back at once.
    back = bench.run(-0.4 * u, 1.0)
    along = (back[-1] - back[0])[:4] @ u[1:]
    assert along < -0.2 * 0.4 * (u[1:] @ u[1:])


def test_wild_commands_leave_it_stable(bench):
    rng = np.random.default_rng(8)
    bench.start([0, 0, 0.18, 0])
    for _ in range(24):
        bench.run(rng.uniform(-1, 1, 5) * [0.2, SPEED, SPEED, SPEED, TURN], 0.5)
        q = bench.data.qpos[:7]
        assert max((LOW - q).max(), (q - HIGH).max()) < 2e-3
        assert np.abs(bench.data.qvel[:7] / SAWYER.velocity).max() < 1.6
    bench.run(np.zeros(5), 0.5)
    assert np.abs(bench.data.qvel).max() < 1e-3


def test_pressed_on_the_table_it_lets_go_at_once(bench):
    bench.start([0, 0, 0.05, 0])
    bench.run(np.array([0, 0, 0, -SPEED, 0]), 4.0)
    held = bench.arm.gripper(bench.data.act[:9])
    assert held[2] > bench.tool()[2] - 0.01  # nothing has been wound up
    seen = bench.run(np.array([0, 0, 0, 0.1, 0]), 0.5)
    assert seen[-1, 2] == pytest.approx(0.012 + 0.05, abs=0.015)
    assert np.degrees(seen[-1, 4]) < 1.0


# In a task.


def test_a_restored_state_goes_on_bit_for_bit_from_any_tick():
    task = BlockPick(robot="arm")
    x = task.initial_state(np.random.default_rng(9))
    actions = np.random.default_rng(10).uniform(-1, 1, (4, 5)) * [0.1, 0.2, 0.2, 0.2, 1.0]

    def go_on(plant, ticks):
        for _ in range(ticks):
            plant.apply(actions[plant.tick // 20])
            plant.step()
        return plant.physics_state()

    for stop in (7, 20, 33):
        assert stop % TICKS_PER_RATE or stop == 20
        plant, other = Plant(task), Plant(task)
        plant.reset(x)
        middle = go_on(plant, stop)
        end = go_on(plant, 80 - stop)
        other.reset(task.initial_state(np.random.default_rng(11)))
        other.restore(middle)
        assert np.array_equal(go_on(other, 80 - stop), end)


def test_joint_actions_are_rates_of_the_joints():
    task = BlockPick(robot="arm", actions="joint")
    plant = Plant(task)
    plant.reset(task.initial_state(np.random.default_rng(12)))
    before = plant.data.qpos[:7].copy()
    u = np.array([-0.1, 0.1, -0.1, 0.1, 0.1, -0.2, 0.2, 0.3])
    for _ in range(200):
        plant.apply(u)
        plant.step()
    assert np.abs(plant.data.qpos[:7] - before - 0.5 * u[1:]).max() < 5e-3
    assert plant.data.qpos[7:9].sum() == pytest.approx(0.08 - 0.05, abs=0.01)  # 50 ms behind


def test_no_joint_is_driven_past_its_limits_and_none_winds_up():
    task = BlockPick(robot="arm", actions="joint")
    plant, rates = Plant(task), SAWYER.velocity
    start = task.initial_state(np.random.default_rng(13))
    for joint in (0, 2, 4, 5, 6):  # those that meet neither the table nor the arm itself
        for way in (-1.0, 1.0):
            plant.reset(start)
            u = np.zeros(8)
            u[1 + joint] = way * rates[joint]
            for _ in range(1600):
                plant.apply(u)
                plant.step()
                q = plant.data.qpos[:7]
                assert max((LOW - q).max(), (q - HIGH).max()) < 1e-3
            assert abs(plant.data.act[joint] - (HIGH if way > 0 else LOW)[joint]) < 0.2
    rng = np.random.default_rng(14)
    plant.reset(start)
    for _ in range(12):  # into the table, the plinth, itself
        u = np.array([0.0, *(rng.choice([-1, 1], 7) * rates)])
        for _ in range(400):
            plant.apply(u)
            plant.step()
        q = plant.data.qpos[:7]
        assert max((LOW - q).max(), (q - HIGH).max()) < 0.05
    for _ in range(800):
        plant.apply(np.zeros(8))
        plant.step()
    assert np.abs(plant.data.act[:7] - q).max() < 0.11
