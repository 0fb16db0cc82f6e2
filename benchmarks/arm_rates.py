"""Time of one command to joint rates of the arm, beside MuJoCo's bare kinematics and Jacobian."""

import argparse
import json
import os
import time

import mujoco
import numpy as np

from covary.sim.robots import urdf
from covary.sim.robots.arm import Arm

BLOCKS = 30


def microseconds(call, times: int) -> dict[str, float]:
    """Median and 90th percentile over blocks of calls of the time of one, on this thread's CPU."""
    call(0)
    found = []
    for _ in range(BLOCKS):
        start = time.thread_time()
        for k in range(times):
            call(k)
        found.append((time.thread_time() - start) / times * 1e6)
    return {
        "p50_us": round(float(np.median(found)), 2),
        "p90_us": round(float(np.percentile(found, 90)), 2),
    }


def main() -> None:
    """Measure at postures over the workspace and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A hundredth of the calls.")
    times = 20 if parser.parse_args().quick else 2000
    arm, rng = Arm(), np.random.default_rng(0)
    model = mujoco.MjModel.from_xml_string(urdf.mjcf(arm))
    data = mujoco.MjData(model)
    site, J = model.site("tool").id, np.zeros((6, model.nv))
    away, direction = 0.25 * np.sqrt(rng.uniform(size=64)), rng.uniform(-np.pi, np.pi, 64)
    poses = np.stack(
        [
            away * np.cos(direction),
            away * np.sin(direction),
            rng.uniform(0.02, 0.35, 64),
            rng.uniform(-np.pi, np.pi, 64),
            np.full(64, 0.04),
        ],
        axis=-1,
    )
    held = arm.posture(poses)
    commands = rng.uniform(-1, 1, (64, 5)) * [0.2, 0.25, 0.25, 0.25, 1.5]
    data.qpos[:] = data.act[:] = held[0]

    def floor(k):
        data.qpos[:] = held[k % 64]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacSite(model, data, J[:3], J[3:], site)

    figures = {
        "joint_rates": microseconds(
            lambda k: arm.joint_rates(held[k % 64], commands[k % 64]), times
        ),
        "mujoco_kinematics_and_jacobian": microseconds(floor, times),
        "actuate_every_tick": microseconds(lambda k: arm.actuate(data, commands[0], k), times),
        "gripper": microseconds(lambda k: arm.gripper(held[k % 64]), times),
        "posture": microseconds(lambda k: arm.posture(poses[k % 64]), max(times // 20, 1)),
    }
    print(json.dumps({"benchmark": "arm_rates", "load": os.getloadavg()[0], **figures}, indent=1))


if __name__ == "__main__":
    main()
