"""Bullet as an engine: the model's kinematics and dynamics, contacts, repeats, and refusals."""

import gc
import hashlib
import importlib.util
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from covary.sim.dials import Dials
from covary.sim.engines.engine import EngineError
from covary.sim.plant import Plant, make_engine
from covary.sim.tasks.push import Push

if importlib.util.find_spec("pybullet") is None:
    pytest.skip("PyBullet is not installed", allow_module_level=True)

from covary.sim.engines.bullet_client import bullet

# Two trees, all that a tree may have: joints off the bodies' origins, two on one body, a body that
# is fixed to another, a reference position, a free body whose mass is off its frame and that has
# joints of its own.
TREES = """<mujoco><compiler angle="radian"/><option timestep="1e-5" gravity="1 2 -9.81"/>
<worldbody>
 <body pos=".1 .2 .3" quat=".9 .1 .2 .3">
  <joint type="hinge" axis="1 2 3" pos=".05 -.02 .01" ref=".2" damping=".3"/>
  <joint type="slide" axis="0 1 1" pos=".1 0 0"/>
  <geom type="box" size=".1 .05 .02" mass="1" pos=".01 .02 .03" quat=".8 .1 .3 .2"/>
  <body pos=".1 .1 0" quat=".7 .7 0 0"><geom type="sphere" size=".03" mass=".5"/>
   <body pos="0 .2 .1" quat=".9 0 .3 0"><joint type="hinge" axis="0 0 1" pos="0 .03 0"/>
    <inertial pos=".03 .01 .02" quat=".9 .2 .1 .1" mass=".7" diaginertia=".003 .004 .005"/>
 </body></body></body>
 <body pos="1 0 0"><freejoint/>
  <inertial pos=".03 .01 .02" quat=".9 .2 .1 .1" mass="2" diaginertia=".03 .04 .05"/>
  <body pos=".2 0 .1" quat=".5 .5 .1 .2"><joint type="hinge" axis="0 1 0" pos=".01 .02 .03"/>
   <geom type="capsule" size=".02 .1" mass=".3" pos=".02 0 .1"/>
   <body pos="0 .1 .1"><joint type="slide" axis="1 0 0"/>
    <geom type="cylinder" size=".03 .1" mass=".2"/></body></body></body>
</worldbody></mujoco>"""

TABLE = '<geom type="plane" size="1 1 1" friction="0.5 0.005 0.0001" {}/>'


def engine_of(text, name="pybullet"):
    """An engine that stands at the model's first configuration."""
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    engine = make_engine(name, model, data)
    engine.begin()
    return engine


def drive(plant, ticks):
    """Push the box; every state of the way, as bytes."""
    states = []
    for tick in range(ticks):
        plant.apply(np.array([0.2, 0.05 * np.sin(tick / 10)]))
        plant.step()
        states.append(plant.physics_state().tobytes())
    return states


START = np.array([-0.12, 0.01, 0.0, 0.0, 0.1, 0.2, 0.0, 0.0])


@pytest.fixture
def plant():
    """Push on Bullet, the pusher beside the box."""
    made = Plant(Push(), engine="pybullet")
    made.reset(START)
    return made


@pytest.mark.parametrize("seed", range(3))
def test_poses_and_accelerations_are_mujocos(seed):
    rng = np.random.default_rng(seed)
    engine, other = engine_of(TREES), engine_of(TREES, "mujoco")
    data = engine.data
    data.qpos[:], data.qvel[:] = rng.normal(size=data.qpos.size), rng.normal(size=data.qvel.size)
    mujoco.mj_normalizeQuat(engine.model, data.qpos)
    other.data.qpos[:], other.data.qvel[:] = data.qpos, data.qvel
    engine.begin()
    other.begin()
    links = engine.world.links
    assert len(links) == 5
    for body, (number, link) in links.items():
        members = np.flatnonzero(engine.model.body_weldid == body)
        mass = engine.model.body_mass[members]
        centre = mass @ other.data.xipos[members] / mass.sum()
        at = (
            bullet.getBasePositionAndOrientation(number, physicsClientId=engine.world.client)
            if link < 0
            else bullet.getLinkState(
                *(number, link, 0), computeForwardKinematics=1, physicsClientId=engine.world.client
            )
        )
        assert np.abs(centre - at[0]).max() < 1e-12
    before = data.qvel.copy()
    engine.step()
    other.step()
    ours, theirs = ((e.data.qvel - before) / 1e-5 for e in (engine, other))
    # What is left is of the order of the step: the two damp with the velocity before and after it.
    assert np.abs(ours - theirs).max() < 2e-3 * np.abs(theirs).max()
    assert np.abs(data.qpos - other.data.qpos).max() < 1e-10
    assert data.time == pytest.approx(1e-5)


def test_a_box_is_pushed_about_as_far_as_in_mujoco(plant):
    """Pushes of 80 mm at the long face, off the middle: within 15 mm and 10 degrees."""
    other, apart, turned = Plant(Push()), [], []
    for off, aim in ((-0.04, 0.3), (-0.02, 0.0), (0.0, 0.3), (0.03, -0.2), (0.05, 0.1)):
        x = np.array([off, 0.072, 0.0, 0.0, 0.0, 0.2, 0.2, 0.0])
        states = []
        for each in (plant, other):
            each.reset(x)
            for _ in range(160):
                each.apply(0.1 * np.array([np.sin(aim), -np.cos(aim)]))
                each.step()
            states.append(each.state())
        ours, theirs = states
        assert -theirs[3] > 0.02
        assert ours[:2] == pytest.approx(theirs[:2], abs=2e-4)  # the pusher obeys
        apart.append(np.hypot(*(ours - theirs)[2:4]))
        turned.append(abs(ours - theirs)[4])
    assert np.median(apart) < 0.008 and max(apart) < 0.015
    assert max(turned) < np.radians(10.0)


def test_frictions_of_pairs_are_mujocos_by_maximum_and_priority():
    engine = engine_of(f"""<mujoco><worldbody>{TABLE.format("")}
      <body name="block"><freejoint/><geom name="block" type="box" size=".02 .02 .02"
        friction="0.3"/></body>
      <body name="pad" pos="0 0 1"><joint type="slide" axis="0 0 1"/><geom type="box"
        size=".01 .01 .01" friction="0.8" priority="1"/></body></worldbody></mujoco>""")

    def friction(number, link):
        return bullet.getDynamicsInfo(number, link, physicsClientId=engine.world.client)[1]

    table, block = friction(0, -1), friction(*engine.world.links[1])
    pad = friction(*engine.world.links[2])
    assert table * block == pytest.approx(0.5)
    assert pad * block == pytest.approx(0.8)
    # Three numbers give three products: here the third is right too.
    assert pad * table == pytest.approx(0.8, rel=0.3)


@pytest.mark.parametrize(
    "shape", ['type="box" size=".03 .03 .015"', 'type="cylinder" size=".03 .015"']
)
def test_a_sliding_thing_stops_where_friction_says(shape):
    engine = engine_of(f"""<mujoco><option timestep="0.0025"/><worldbody>{TABLE.format("")}
      <body pos="0 0 .015"><freejoint/><geom {shape} friction="0.3"/></body>
      </worldbody></mujoco>""")
    data, yaw = engine.data, 0.3
    data.qpos[3], data.qpos[6], data.qvel[0] = np.cos(yaw / 2), np.sin(yaw / 2), 0.5
    engine.begin()
    for _ in range(200):
        engine.step()
    assert data.qpos[0] == pytest.approx(0.5**2 / (2 * 0.5 * 9.81), rel=0.04)
    assert abs(data.qpos[1]) < 5e-4 and np.abs(data.qvel).max() < 1e-3


def test_on_a_slope_a_box_slides_and_does_not_sink_in():
    plant = Plant(Push(), engine="pybullet", dials=Dials(gravity_tilt=30.0))
    plant.reset(np.array([-0.3, 0.3, 0.0, 0.0, 0.3, 0.2, 0.2, 0.0]))
    for _ in range(60):
        plant.apply(np.zeros(2))
        plant.step()
    slope = np.radians(30.0)
    gained = 9.81 * (np.sin(slope) - 0.5 * np.cos(slope)) * 0.3  # m/s in 0.3 s
    assert plant.data.qvel[2] == pytest.approx(gained, rel=0.15)
    assert plant.data.qpos[4] == pytest.approx(0.0241, abs=2e-4)
    assert abs(plant.data.qpos[3]) < 1e-3


def test_masks_and_excludes_decide_what_touches():
    body = '<body name="{0}" pos="0 0 .1"><freejoint/><geom type="sphere" size=".02" {1}/></body>'
    for masks, exclude, falls in (
        ('contype="2" conaffinity="2"', "", True),
        ('contype="2" conaffinity="1"', "", False),
        ("", '<contact><exclude body1="world" body2="a"/></contact>', True),
    ):
        engine = engine_of(
            f"<mujoco><worldbody>{TABLE.format('')}{body.format('a', masks)}</worldbody>"
            f"{exclude}</mujoco>"
        )
        for _ in range(300):
            engine.step()
        assert (engine.data.qpos[2] < 0.0) == falls


@pytest.mark.parametrize("engine_name", ["mujoco", "pybullet"])
def test_a_servo_presses_with_its_spring_and_no_more_than_its_limit(engine_name):
    engine = engine_of(
        """<mujoco><option timestep="0.0025" gravity="0 0 0" integrator="implicitfast"/><worldbody>
      <geom type="box" pos="0.05 0 0" size=".02 .02 .02"/>
      <body><joint name="x" type="slide" axis="1 0 0" damping="4" armature="0.05"/>
        <geom name="tip" type="box" size=".01 .01 .01" mass="0.05"/></body></worldbody>
      <actuator><intvelocity joint="x" kp="400" kv="20" ctrlrange="-.1 .1" actrange="-1 .2"
        forcerange="-20 20"/></actuator></mujoco>""",
        engine_name,
    )
    model, data = engine.model, engine.data

    def press():
        if engine_name == "mujoco":
            force = np.zeros(6)
            total = 0.0
            for contact in range(data.ncon):
                mujoco.mj_contactForce(model, data, contact, force)
                total += force[0]
            return total
        points = bullet.getContactPoints(physicsClientId=engine.world.client)
        return sum(point[9] for point in points)

    data.ctrl[0] = 0.1  # at 0.1 m/s to 0.02, where it touches, and on
    for _ in range(160):
        engine.step()
    assert data.act[0] == pytest.approx(0.04)
    assert data.qpos[0] == pytest.approx(0.02, abs=1e-3)
    data.ctrl[0] = 0.0
    for _ in range(100):
        engine.step()
    assert press() == pytest.approx(400 * (0.04 - data.qpos[0]), rel=0.02)
    data.ctrl[0] = 0.3  # more than it takes
    for _ in range(800):
        engine.step()
    assert data.act[0] == pytest.approx(0.2)  # and no further
    assert press() == pytest.approx(20.0, rel=0.02)


def test_limits_hold_and_compensated_bodies_do_not_fall():
    engine = engine_of("""<mujoco><worldbody>
      <body name="held" gravcomp="1"><joint type="slide" axis="0 0 1"/>
        <geom type="sphere" size=".02" mass="1"/></body>
      <body name="falls" pos="1 0 0"><joint type="slide" axis="0 0 1" range="-.1 .1"
        limited="true"/><geom type="sphere" size=".02" mass="1"/></body>
    </worldbody></mujoco>""")
    for tick in range(1000):
        engine.step()
        if tick == 49:
            assert engine.data.qpos[1] == pytest.approx(-0.5 * 9.81 * 0.1**2, rel=0.05)
    assert abs(engine.data.qpos[0]) < 1e-9
    assert engine.data.qpos[1] == pytest.approx(-0.1, abs=1e-3)


def test_wind_and_the_damping_of_free_bodies_act_as_in_mujoco():
    text = TREES.replace("<option ", '<option density="40" viscosity="2" wind="3 -4 2" ')
    text = text.replace('timestep="1e-5"', 'timestep="1e-3"')
    text = text.replace("</worldbody>", "</worldbody><actuator><motor joint='j'/></actuator>")
    text = text.replace('<joint type="slide" axis="1 0 0"/>', "<joint name='j' type='slide'/>")
    calm, ours, theirs = engine_of(text), engine_of(text), engine_of(text, "mujoco")
    calm.model.opt.density = calm.model.opt.viscosity = 0.0
    rng = np.random.default_rng(3)
    q, v = rng.normal(size=ours.model.nq), rng.normal(size=ours.model.nv)
    mujoco.mj_normalizeQuat(ours.model, q)
    damped = ours.model.jnt_dofadr[ours.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE][0]
    for engine in (calm, ours, theirs):
        if engine is not calm:
            engine.model.dof_damping[damped] = 20.0
        engine.data.qpos[:], engine.data.qvel[:], engine.data.ctrl[0] = q, v, 0.5
        engine.begin()
        for _ in range(50):
            engine.step()
    blown = np.abs(theirs.data.qvel - calm.data.qvel)
    assert (blown > 0.02).all()
    assert (np.abs(theirs.data.qvel - ours.data.qvel) < 0.1 * blown + 0.01).all()


def test_the_same_start_and_controls_give_the_same_bits_whatever_was_before(plant):
    code = f"""
import hashlib, numpy as np
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push
plant = Plant(Push(), engine="pybullet")
plant.reset(np.array({START.tolist()}))
found = hashlib.sha256()
for tick in range(200):
    plant.apply(np.array([0.2, 0.05 * np.sin(tick / 10)]))
    plant.step()
    found.update(plant.physics_state().tobytes())
print(found.hexdigest())
"""
    command = [sys.executable, "-P", "-c", code]
    fresh = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert fresh.returncode == 0 and fresh.stderr == ""  # nor does PyBullet say anything
    drive(plant, 137)
    other = Plant(Push(), engine="pybullet")
    other.reset(START)
    plant.reset(Push().initial_state(np.random.default_rng(1)))
    drive(plant, 20)
    plant.reset(START)
    found = hashlib.sha256()
    for state in drive(plant, 200):
        found.update(state)
    assert found.hexdigest() == fresh.stdout.strip()


def test_a_restored_start_is_a_start_and_a_later_state_is_taken_up(plant):
    start = plant.physics_state()
    whole = drive(plant, 200)
    middle = np.frombuffer(whole[99])
    plant.restore(start)
    assert plant.tick == 0 and plant.physics_state().tobytes() == start.tobytes()
    assert drive(plant, 200) == whole
    plant.restore(middle)
    assert plant.tick == 100 and plant.physics_state().tobytes() == middle.tobytes()
    once = drive(plant, 50)
    plant.restore(middle)
    assert drive(plant, 50) == once  # not those of before, but always the same
    assert not plant.engine.resumes
    with pytest.raises(ValueError, match="another model"):
        plant.restore(start[:-1])


def test_each_number_of_a_state_has_a_name(plant):
    names = [plant.engine.name_of(k) for k in range(len(plant.physics_state()))]
    assert names[4] == "qpos[4] (joint box)" and names[-2:] == ["time", "tick"]
    assert len(set(names)) == len(names)
    with pytest.raises(IndexError):
        plant.engine.name_of(len(names))


def test_a_forgotten_engine_closes_its_client():
    engine = engine_of(TREES)
    client = engine.world.client
    assert bullet.isConnected(client)
    del engine
    gc.collect()
    assert not bullet.isConnected(client)


@pytest.mark.parametrize(
    "inside, named",
    [
        ('<body><joint name="j" type="ball"/><geom size="1"/></body>', "joint j"),
        (
            '<body><joint name="j" type="hinge" stiffness="1"/><geom size="1"/></body>',
            "joint springs",
        ),
        ('<geom name="g" type="ellipsoid" size="1 1 1"/>', "geom g"),
        ('<body mocap="true"><geom name="g" size="1"/></body>', "mocap"),
        (
            "<body><joint/><geom size='1'/></body></worldbody><equality><joint joint1='j'/>"
            "</equality><worldbody><body><joint name='j'/><geom size='1'/></body>",
            "equality",
        ),
        (
            "<body><joint name='j'/><geom size='1'/></body></worldbody><actuator><general name='m'"
            " joint='j' dyntype='filter'/></actuator><worldbody>",
            "actuator m",
        ),
    ],
)
def test_what_bullet_cannot_have_is_refused_by_name(inside, named):
    with pytest.raises(EngineError, match=named) as caught:
        engine_of(f"<mujoco><worldbody>{inside}</worldbody></mujoco>")
    assert "\n" not in str(caught.value) and "pybullet" in str(caught.value)
