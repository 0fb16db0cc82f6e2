"""Plans and rollouts beside judo's, on its cylinder_push and on a push-T, as JSON.

Both run in one process on one MuJoCo, in turns, and medians are compared; in judo's environment
(`make bench` makes it), whose MuJoCo is older than ours. How good the plans are:
benchmarks/results/beside_judo.py.
"""

import argparse
import importlib.metadata
import json
import os
from functools import partial

import mujoco
import numpy as np

from covary.benchmarks.mujoco_rollouts import medians, raw
from covary.benchmarks.problems.pushing import CylinderPush, Pushing, PushT
from covary.benchmarks.running import peers

SIGMA = {"mppi": 0.0156, "ps": 0.0078, "cem": 0.055}  # judo's mean noise, in parts of 10


def against_judo(task: Pushing, samples: int, name: str, rounds: int) -> dict:
    """Times of a plan and of its rollouts, of judo and of ours, and of bare rollouts.

    What rollouts cost hangs on how much is in contact. So a plan is timed from nothing, with noise
    of the same size, and rollouts with their costs also alone, on the same controls: the first that
    judo tries.
    """
    from covary.benchmarks.problems.judo_peer import HORIZON, Judo, Ours

    x = task.initial_state(np.random.default_rng(0))
    peer = Judo(task, name, samples)
    ours = Ours(task, name, samples, {"noise": SIGMA[name]})

    def anew() -> None:
        peer.reset()
        ours.reset()

    anew()
    plans = [partial(who.plan, x, 0.0) for who in (ours, peer)]
    for plan in plans:
        plan()
    row = {"task": task.name, "planner": name, "samples": samples, "horizon": HORIZON}
    row |= compared("plan", medians(plans, rounds, anew))
    controls, theirs = np.array(peer.controller.rollout_controls), peer.controller
    costs, dynamics = np.empty((1, samples)), ours.planner.dynamics

    def judos() -> np.ndarray:
        states, sensors, _ = theirs.rollout_backend.rollout(x, controls, None)
        return theirs.task.reward(states, sensors, controls, {})

    mine = partial(dynamics.rollout, x, controls, costs)
    mine()
    assert np.allclose(-judos(), costs[0])  # the same physics and the same costs
    return row | compared(
        "rollouts", medians([mine, judos, raw(dynamics, os.cpu_count() or 1)], rounds)
    )


def compared(what: str, times: np.ndarray) -> dict:
    """Times of ours, of judo and, where it was timed, of bare rollouts. (2 or 3, 2)"""
    (ours, _), (judo, _) = times[:2]
    wall, cpu = times[1] / times[0]
    row = {f"ours_{what}_ms": round(ours, 2), f"judo_{what}_ms": round(judo, 2)}
    row |= {f"{what}_times_judo": round(wall, 2), f"{what}_times_judo_cpu": round(cpu, 2)}
    if len(times) == 3:
        wall, cpu = times[2] / times[0]
        row |= {"raw_ms": round(times[2, 0], 2)}
        row |= {"of_raw": round(wall, 3), "of_raw_cpu": round(cpu, 3)}
    return row


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--quick", action="store_true", help="one size, two rounds")
    asked = parser.parse_args()
    found = {"benchmark": "judo_rates", "mujoco": mujoco.__version__, "cores": os.cpu_count()}
    found["load"] = round(os.getloadavg()[0], 2)
    if not peers.in_their_python("judo"):
        print(json.dumps(found | {"skipped": "judo is not installed"}))
        return
    import judo

    samples, rounds = (asked.samples[:1], 2) if asked.quick else (asked.samples, asked.rounds)
    tasks = [CylinderPush(str(judo.MODEL_PATH / "xml" / "cylinder_push.xml")), PushT()]
    found["judo"] = importlib.metadata.version("judo-rai")
    found["rows"] = [
        against_judo(task, count, name, rounds)
        for task in tasks
        for count in samples
        for name in SIGMA
    ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
