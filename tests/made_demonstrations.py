"""Demonstrations that are made up: a spring pulls a point mass to its goal."""

import numpy as np
from made_episodes import see

from covary.control.imitation.demonstrations import read_demonstrations
from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.sim.task_messages import command_message, state_message
from covary.sim.tasks.point_mass import PointMass

TICKS = 8


def recorded(folder, episodes=4, seed=0, pixels=0):
    """A folder of bags of point_mass, a dataset without a card; the folder.

    Args:
        folder: Where.
        episodes: How many.
        seed: Of their starts.
        pixels: Side of the heightmap at each tick; 0: none.
    """
    task = PointMass()
    rng = np.random.default_rng(seed)
    for number in range(episodes):
        facts = {
            "task": "point_mass",
            "episode": str(number),
            "success": "true",
            "aborted": "false",
        }
        writer = BagWriter(folder / "bags" / f"episode_{number:06d}", facts)
        x = task.initial_state(rng)

        def put(topic, message, ns, writer=writer):
            writer.write(topic, message.__msgtype__, messages.serialize(message), ns, ns)

        for tick in range(TICKS):
            u = task.limits.project(4.0 * (x[4:6] - x[0:2]) - 2.0 * x[2:4])
            now = tick * task.dt
            state = state_message(task.state_names, now, number, x)
            ns = round(now * 1e9)
            if pixels:
                heights = rng.random((pixels, pixels, 1)).astype("f4")
                see(put, "/camera/heightmap", ns, "32FC1", heights)
            for topic, message in (("/state", state), ("/command", command_message(task, now, u))):
                put(topic, message, ns)
            x = x.copy()
            x[2:4] += task.dt * u
            x[0:2] += task.dt * x[2:4]
        writer.close()
    return folder


def demonstrations(folder, episodes=4, seed=0, pixels=0):
    """The same as arrays."""
    cameras = ["heightmap"] if pixels else []
    return read_demonstrations(recorded(folder, episodes, seed, pixels), cameras=cameras)
