"""Closed loops beside judo's, on its cylinder_push and on a push-T (half an hour; goes on).

Same XML, K = 128, H = 50, a plan every 40 ms, 8 s, the same starts; a plan acts at once. Three
planners each: ours, judo's as shipped for its own task, and judo's with settings of one trial
more than ours. Both sets of settings hold for both tasks and were chosen on the starts of
seeds 1000 to 1002, never on those reported. In judo's environment, which `make results` makes:

    make results parts=beside_judo                               # again: goes on
    python -P benchmarks/results/beside_judo.py --choose         # the trials

Costs do not depend on the load of the machine.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from pathlib import Path

import mujoco
import numpy as np

from covary.benchmarks.problems.pushing import CylinderPush, Pushing, PushT
from covary.benchmarks.running import peers

SAMPLES, SECONDS, REPLAN = 128, 8.0, 2  # REPLAN: control periods from plan to plan
FIRST_TRIAL, TRIALS_OF = 1000, 3
TRIALS = {
    "ours": {
        "mppi": [
            {"noise": 0.03, "temperature": 0.01},
            {"noise": 0.06, "temperature": 0.01},
            {"noise": 0.1, "temperature": 0.01},
            {"noise": 0.06, "temperature": 0.1},
        ],
        "ps": [{"noise": 0.02}, {"noise": 0.04}, {"noise": 0.06}, {"noise": 0.1}],
        "cem": [
            {"noise": 0.04, "elite_fraction": 0.03},
            {"noise": 0.08, "elite_fraction": 0.03},
            {"noise": 0.04, "elite_fraction": 0.08},
            {"noise": 0.08, "elite_fraction": 0.06, "iterations": 2, "smallest_noise": 0.01},
        ],
    },
    "judo": {  # its noise grows along the horizon to 2.5 times sigma
        "mppi": [
            {"sigma": 0.2},
            {"sigma": 0.4},
            {"sigma": 0.6},
            {"sigma": 0.4, "temperature": 0.01},
            {"sigma": 1.0},
        ],
        "ps": [{"sigma": 0.1}, {"sigma": 0.2}, {"sigma": 0.4}, {"sigma": 0.6}, {"sigma": 1.0}],
        "cem": [
            {"sigma_min": 0.2},
            {"sigma_min": 0.4},
            {"sigma_min": 0.2, "num_elites": 4},
            {"sigma_min": 0.4, "num_elites": 4},
            {"sigma_min": 0.7},
        ],
    },
}
BEST = {  # of each list of trials, by --choose
    "ours": {"mppi": 3, "ps": 2, "cem": 3},
    "judo": {"mppi": 4, "ps": 4, "cem": 4},
}
CHOSEN = {
    whose: {name: TRIALS[whose][name][best] for name, best in rows.items()}
    for whose, rows in BEST.items()
}
SHIPPED: dict = {}


def closed_loop(task: Pushing, who, seed: int) -> tuple[float, float]:
    """Mean cost of a step, and how far the thing is from the goal at the end (m)."""
    model = task.compiled()
    data, x = mujoco.MjData(model), task.initial_state(np.random.default_rng(seed))
    np.random.seed(seed)  # judo draws from NumPy's global state
    data.qpos[:], data.qvel[:] = x[: task.bodies], x[task.bodies :]
    costs = []
    for tick in range(round(SECONDS / task.dt)):
        now = tick * task.dt
        if tick % REPLAN == 0:
            who.plan(x, now)
        data.ctrl[:] = who.action(now)
        mujoco.mj_step(model, data)
        x = np.concatenate([data.qpos, data.qvel])
        costs.append(float(task.running_cost(x, data.ctrl)))
    return float(np.mean(costs)), float(np.hypot(x[2], x[3]))


def key(*words) -> str:
    """Under which a loop is kept."""
    return "/".join(json.dumps(word, sort_keys=True) for word in words)


def run(todo: list[tuple], kept: Path) -> dict:
    """The loops of (task, whose, planner, settings, seed) that are not in the file yet."""
    from covary.benchmarks.problems.judo_peer import Judo, Ours

    found = json.loads(kept.read_text()) if kept.exists() else {}
    left = [one for one in todo if key(one[0].name, *one[1:]) not in found]
    began = time.perf_counter()
    for number, (task, whose, name, settings, seed) in enumerate(left, 1):
        if whose == "ours":
            who = Ours(task, name, SAMPLES, settings, seed=seed)
        else:
            who = Judo(task, name, SAMPLES, settings)
            who.reset()
        found[key(task.name, whose, name, settings, seed)] = closed_loop(task, who, seed)
        whole = kept.with_suffix(".new")  # an end in the middle of writing leaves the old file
        whole.write_text(json.dumps(found, indent=0))
        whole.replace(kept)
        rest = (time.perf_counter() - began) / number * (len(left) - number)
        print(
            f"{number}/{len(left)} {task.name} {whose} {name}, {rest:.0f} s left", file=sys.stderr
        )
    return found


def interval(values: np.ndarray) -> list[float]:
    """The median and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    medians = np.median(values[rng.integers(len(values), size=(4000, len(values)))], axis=1)
    return [round(float(v), 4) for v in (np.median(values), *np.percentile(medians, [2.5, 97.5]))]


def chosen_by(tasks: list[Pushing], kept: Path) -> dict:
    """Of each trial the geometric mean, over both tasks, of its mean cost of a step."""
    seeds = range(FIRST_TRIAL, FIRST_TRIAL + TRIALS_OF)
    every = [
        (whose, name, settings)
        for whose, planners in TRIALS.items()
        for name, trials in planners.items()
        for settings in trials
    ]
    todo = [(task, *one, seed) for one in every for task in tasks for seed in seeds]
    found, rows = run(todo, kept), {}
    for whose, name, settings in every:
        costs = [[found[key(t.name, whose, name, settings, s)][0] for s in seeds] for t in tasks]
        score = float(np.exp(np.log(np.mean(costs, axis=1)).mean()))
        rows.setdefault(f"{whose} {name}", []).append([round(score, 4), settings])
    return {who: sorted(scores, key=lambda one: one[0]) for who, scores in rows.items()}


def beside(tasks: list[Pushing], seeds: range, kept: Path) -> list[dict]:
    """A row for each task, planner and setting: cost of a step, and what it is less judo's."""
    who = {"ours": ("ours", CHOSEN["ours"]), "judo as shipped": ("judo", SHIPPED)}
    who["judo with chosen settings"] = ("judo", CHOSEN["judo"])
    todo = [
        (task, whose, name, settings.get(name, {}), seed)
        for seed in seeds
        for task in tasks
        for name in CHOSEN["ours"]
        for whose, settings in who.values()
    ]
    found, rows = run(todo, kept), []
    for task in tasks:
        for name in CHOSEN["ours"]:
            ends = {
                label: np.array(
                    [found[key(task.name, w, name, settings.get(name, {}), s)] for s in seeds]
                ).T
                for label, (w, settings) in who.items()
            }
            for label, (costs, away) in ends.items():
                row = {"task": task.name, "planner": name, "who": label}
                row |= {"settings": who[label][1].get(name, {})}
                row |= {"cost_per_step": interval(costs), "mean": round(float(costs.mean()), 4)}
                row |= {"end_m": interval(away), "within_0.1_m": int((away < 0.1).sum())}
                if label != "ours":
                    less = ends["ours"][0] - costs
                    row |= {"ours_less_this": interval(less), "ours_lower": int((less < 0).sum())}
                rows.append(row)
    return rows


def main() -> None:
    """Run what is missing, saying on stderr how far it is; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="the trials of settings instead")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/beside_judo"))
    asked = parser.parse_args()
    figures = {"benchmark": "beside_judo", "samples": SAMPLES, "seconds": SECONDS}
    if not peers.in_their_python("judo"):
        print(json.dumps(figures | {"skipped": "judo is not installed"}))
        return
    import judo

    tasks = [CylinderPush(str(judo.MODEL_PATH / "xml" / "cylinder_push.xml")), PushT()]
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = asked.out / "loops.json"
    figures |= {"judo": importlib.metadata.version("judo-rai"), "mujoco": mujoco.__version__}
    if asked.choose:
        figures["trials"] = chosen_by(tasks, kept)
    else:
        figures |= {"seeds": asked.seeds, "rows": beside(tasks, range(asked.seeds), kept)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
