"""`Simulator` against the sim node itself: same starts, senses, verdicts and costs, to the bit."""

import json

import numpy as np
import pytest

from covary.nodes.launching.launch_file import find, read_assignments, resolve
from covary.nodes.parameters import from_dict
from covary.nodes.supervision.lockstep import Lockstep
from covary.nodes.supervision.progress import RunProgress
from covary.planners.planner_node import PlannerNode
from covary.sim.sim_parameters import SimParameters
from covary.sim.simulator import Simulator

DIALS = (
    "dials:={gravity_tilt: 5, observation_noise: 0.001, action_delay: 1, actuator_gain: 0.2, "
    "label_flip: 0.9}"
)


def launched(tmp_path, launch, *words):
    """The nodes' parameters of a launch, and its episodes in lockstep."""
    words = read_assignments([*words, "record:=false"])
    description = resolve(find(launch), words)
    with open(tmp_path / "said", "w") as said:
        run = Lockstep(description, tmp_path, RunProgress(stream=said))
        assert run.run().exit_code == 0
    episodes = json.loads((tmp_path / "sim.json").read_text())["episodes"]
    return {node.name: node.parameters for node in description.nodes}, episodes


def simulated(parameters, planner, episodes):
    """The same episodes with a planner and a simulator in this process."""
    p = from_dict(SimParameters, parameters, "sim")
    node = from_dict(PlannerNode.Parameters, planner, "planner")
    simulator, planner = Simulator(p), PlannerNode.check(node)
    topic = "/ground_truth" if node.ground_truth else "/state"
    found = []
    for episode in range(p.first_episode, p.first_episode + episodes):
        simulator.begin(episode)
        seeds = np.random.SeedSequence([node.seed, episode])
        memory, verdict = planner.initial_memory(int(seeds.generate_state(1)[0])), None
        while verdict is None:
            plan, memory = planner.plan(simulator.seen()[topic], simulator.time, memory)
            verdict = simulator.step(plan.actions[0])
        found.append((episode, verdict, simulator.judge.cost, simulator.time))
    simulator.close()
    return found


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        ("point_mass", ("samples:=16", "episodes:=2", "seed:=5")),
        (
            "block_pick",
            (
                "robot:=floating_gripper",
                "episodes:=1",
                "seed:=2",
                DIALS,
            ),
        ),
        ("gym", ("env_id:=Reacher-v5", "planner:=gym_expert", "episodes:=2", "seed:=1")),
    ],
)
def test_it_is_the_sim_node_without_a_bus(tmp_path, launch, words):
    parameters, episodes = launched(tmp_path, launch, *words)
    found = simulated(parameters["sim"], parameters["planner"], len(episodes))
    for told, (index, success, cost, duration) in zip(episodes, found, strict=True):
        assert (told["index"], told["success"], told["cost"]) == (index, success, cost)
        assert told["duration"] == pytest.approx(duration, abs=1e-9)


def test_images_are_those_that_are_published(tmp_path):
    from covary.nodes import messages
    from covary.nodes.bus.local_bus import LocalBus, LocalGraph
    from covary.sim.sim_node import SimNode

    words = {"task": "block_pick", "task_options": {"robot": "floating_gripper"}, "heightmap": 32}
    words |= {"in_hand": 16, "dials": {"observation_noise": 0.002, "camera_tilt": 20}, "seed": 4}
    p = from_dict(SimParameters, {**words, "first_episode": 3}, "sim")
    graph = LocalGraph()
    ears = LocalBus(graph, "ears")
    topics = ("/camera/heightmap/image_raw", "/camera/in_hand/image_raw")
    heard = {topic: ears.subscribe("sensor_msgs/msg/Image", topic, 0) for topic in topics}
    states = ears.subscribe("covary_msgs/msg/State", "/state", 0)
    node = SimNode("sim", LocalBus(graph, "sim"), parameters=p, realtime=False)
    node.configure()
    node.start()
    while graph.step():
        pass
    simulator = Simulator(p)
    simulator.begin(3)
    seen = simulator.seen()
    for topic, subscription in heard.items():
        image = messages.deserialize(subscription.take()[0], "sensor_msgs/msg/Image")
        pixels = np.asarray(image.data).view("<f4").reshape(image.height, image.width)
        np.testing.assert_array_equal(seen[topic], pixels)
        assert seen[topic].dtype == np.float32
    state = messages.deserialize(states.take()[0], "covary_msgs/msg/State")
    np.testing.assert_array_equal(seen["/state"], state.value)
    simulator.close()
    node.shutdown()


def test_what_is_not_finite_ends_the_episode_with_a_line():
    simulator = Simulator(SimParameters("point_mass"))
    simulator.begin(2)
    with pytest.raises(ValueError, match=r"episode 2, t=0.000 s: the action is \[nan"):
        simulator.step(np.array([np.nan, 0.0]))
    with pytest.raises(ValueError, match="not finite"):
        simulator.begin(0, np.full(6, np.inf))
