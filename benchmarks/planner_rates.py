"""Planners' rates and costs on the reference problems, beside pytorch_mppi and a C limit, as JSON.

Plans are made in turns, one thread, K = 256, H = 32: ours by `plan`, the peer's by `command`; the
ratios are medians over the turns. Costs are those of closed loops, medians of 20 seeds (0 to 19),
of 10 where all algorithms are compared. A short table goes to stderr at the end.
Settings were chosen once for each problem on the seeds from 1000 on; they are printed. `--choose`
makes as many trials for ours as for the peer's KMPPI. Run it on cores that do nothing else.

    python -P benchmarks/planner_rates.py                        # beside pytorch_mppi
    python -P benchmarks/planner_rates.py --choose               # trials, minutes
    python -P benchmarks/planner_rates.py --pareto               # all algorithms, nothing else
    python -P benchmarks/planner_rates.py --elsewhere            # problems not tuned on

pytorch_mppi is in .peers, which `make bench` makes; without it there is no comparison.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from covary.benchmarks.grids.cells import say
from covary.benchmarks.problems.by_hand import ByHand
from covary.benchmarks.problems.pointmass import Pointmass
from covary.benchmarks.problems.reacher2 import Reacher2
from covary.benchmarks.results.planners import SETTINGS as LAUNCHED
from covary.benchmarks.running import peers
from covary.nodes import plugin
from covary.planners.kmppi import KMPPI
from covary.planners.mppi import MPPI
from covary.planners.sampling import SamplingPlanner
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics

HERE = Path(__file__).resolve().parent
PROBLEMS = {"pointmass": (Pointmass, 100), "reacher2": (Reacher2, 150)}
SHIPPED = {  # the peer's settings as the problems are stated; KMPPI with as many knots as ours
    "pointmass": {"sigma": 1.0, "lambda": 0.1, "width": 1.0, "points": 4},
    "reacher2": {"sigma": 2.0, "lambda": 0.1, "width": 1.0, "points": 4},
}
SIZE = {"samples": 256, "horizon": 32, "noise_law": "sobol", "antithetic": True}
SPEED = {  # one update a plan
    "pointmass": {"knots": 4, "kernel_width": 1.5, "noise": 0.75, "temperature": 0.2},
    "reacher2": {"knots": 4, "kernel_width": 1.25, "noise": 0.4, "temperature": 0.1},
}
QUALITY = {
    "pointmass": {
        **{"knots": 4, "kernel_width": 3.0, "noise": 0.5, "temperature": 0.2},
        **{"iterations": 2},
    },
    "reacher2": {
        **{"knots": 4, "kernel_width": 1.5, "noise": 0.2, "temperature": 0.05},
        **{"iterations": 3},
    },
}
TUNED = {  # the peer's KMPPI by `--choose`: as many trials as ours
    "pointmass": {"sigma": 1.0, "lambda": 0.05, "width": 1.5, "points": 4},
    "reacher2": {"sigma": 2.0, "lambda": 0.05, "width": 1.5, "points": 4},
}
TARGETS = {  # what was asked for: times MPPI's rate in each precision, cost and distance at most
    "pointmass": {"float32": 400, "float64": 200, "speed": (27.5, 2e-3), "quality": (25.6, 5e-4)},
    "reacher2": {"float32": 275, "float64": 110, "speed": (55.3, 1e-3), "quality": (52.8, 5e-4)},
}
TRIALS = 100
SIZES = (64, 256, 1024)
ELSEWHERE = ("point_mass", "reacher", "cart_pole")


class Peer:
    """pytorch_mppi in a process of its own."""

    def __init__(self) -> None:
        command = [str(peers.PYTHON), str(HERE / "problems" / "pytorch_peer.py")]
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=alone, **pipes)

    def ask(self, **question):
        """What it answers."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def peer():
    """The peer, as long as it is needed."""
    one = Peer()
    yield one
    one.process.stdin.close()
    one.process.wait(10)


def ours(problem: str, settings: dict, precision: str = "float64", kind=KMPPI, **more):
    """A planner of ours."""
    model = NumbaDynamics(PROBLEMS[problem][0]())
    return kind(model, "none", precision=precision, **{**SIZE, **settings, **more})


def rate(planner, seconds: float) -> float:
    """Median time of warm-started plans from the start, us; the machine's clock is read rarely."""
    task, times = planner.task, []
    state, memory = task.initial_state(np.random.default_rng(0)), planner.initial_memory(0)
    plan, dt, tick, until = planner.plan, task.dt, 0, time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 3:
        began = time.perf_counter()
        for _ in range(20):
            _, memory = plan(state, tick * dt, memory)
            tick += 1
        times.append((time.perf_counter() - began) / 20)
    return statistics.median(times) * 1e6


def episode(planner, seed: int) -> tuple[float, np.ndarray]:
    """Cost and last state of a closed loop, as long as the task's time limit."""
    task = planner.task
    model, steps = NumbaDynamics(task), round(task.time_limit / task.dt)
    x, memory, cost = task.initial_state(np.random.default_rng(seed)), None, 0.0
    memory = planner.initial_memory(seed)
    for tick in range(steps):
        plan, memory = planner.plan(x, tick * task.dt, memory)
        x = model.next_state(x, plan.actions[0])
        cost += float(task.running_cost(x, plan.actions[0]))
    return cost, x


def closed_loop(planner, seeds) -> dict[str, float]:
    """Medians over seeds."""
    costs, ends = zip(*(episode(planner, seed) for seed in seeds), strict=True)
    cost, distance = np.median(costs), np.median([planner.task.distance(x) for x in ends])
    return {"cost": round(float(cost), 3), "distance": float(f"{distance:.2g}")}


def peers_loop(one: Peer, problem: str, kind: str, settings: dict, seeds) -> dict[str, float]:
    """The same of the peer."""
    asked = {"problem": problem, "kind": kind, "precision": "float32", "settings": settings}
    told = one.ask(ask="episodes", seeds=list(seeds), **asked)
    distance = statistics.median(told["distances"])
    return {
        "cost": round(statistics.median(told["costs"]), 3),
        "distance": float(f"{distance:.2g}"),
    }


def in_turns(one: Peer, problem: str, rounds: int) -> dict:
    """Rates, ours and the peer's in turns, and the ratios of each turn's, medians."""
    mine = {
        f"{name}_{precision}": ours(problem, settings[problem], precision)
        for name, settings in (("speed", SPEED), ("quality", QUALITY))
        for precision in ("float32", "float64")
    }
    theirs = {
        f"{name}_{precision}": (kind, precision, settings[problem])
        for name, kind, settings in (
            ("mppi", "mppi", SHIPPED),
            ("kmppi", "kmppi", SHIPPED),
            ("kmppi_tuned", "kmppi", TUNED),
        )
        for precision in ("float32", "float64")
    }
    times: dict[str, list[float]] = {name: [] for name in (*mine, *theirs)}
    for turn in range(rounds + 1):
        for name, planner in mine.items():
            times[name].append(rate(planner, 0.05))
        for name, (kind, precision, settings) in theirs.items():
            asked = {"problem": problem, "kind": kind, "precision": precision}
            told = one.ask(ask="rate", settings=settings, plans=20, **asked)
            times[name].append(told["us"])
        if not turn:  # the first compiles
            times = {name: [] for name in times}
    ratios = {
        f"{a}/{b}": round(float(np.median(np.divide(times[b], times[a]))), 1)
        for a in mine
        for b in theirs
        if a.rsplit("_", 1)[1] == b.rsplit("_", 1)[1]
    }
    rates = {name: round(1e6 / statistics.median(t), 1) for name, t in times.items()}
    return {"plans_per_s": rates, "ratios": ratios}


def limits_of(problem: str, samples: int) -> dict[str, ByHand]:
    """Rollouts and weights in C++ of so many samples by precision; none: said why."""
    try:
        planners = {
            precision: ours(problem, SPEED[problem], precision, samples=samples)
            for precision in ("float32", "float64")
        }
        return {precision: ByHand(problem, one) for precision, one in planners.items()}
    except ValueError as error:
        say(f"no limit in C++: {error}")
        return {}


def c_limit(problem: str, rounds: int) -> list[dict] | str:
    """Whole plans' kernels, called from Python, and rollouts and weights in C++, in turns, us."""
    found = []
    for precision, samples in itertools.product(("float32", "float64"), SIZES):
        planner = ours(problem, SPEED[problem], precision, samples=samples)
        try:
            limit = ByHand(problem, planner)
        except ValueError as error:
            return f"skipped: {error}"
        limit.check()
        x = planner.task.initial_state(np.random.default_rng(0))
        memory = planner.plan(x, 0.0, planner.initial_memory(0))[1]
        fused, last = planner.fused, vars(memory)["filled"]
        out, moving = np.empty_like(last), fused._moving_by(1.0)
        arguments = (x, 0, 1, out, 1.0, 0, 1, last, moving, *fused._packs)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds * 20):
            began = time.perf_counter()
            for _ in range(50):
                fused._call(*arguments)
            times[0].append((time.perf_counter() - began) / 50)
            times[1].append(limit.seconds(50))
        us = [statistics.median(t) * 1e6 for t in times]
        found.append({"precision": precision, "samples": samples, "plan_us": round(us[0], 2)})
        found[-1] |= {"c_us": round(us[1], 2), "plan_over_c": round(us[0] / us[1], 2)}
    return found


def swept(problem: str, name: str, samples: int):
    """A planner of the sweep: in float32 if a plan is one kernel's call then, else in float64."""
    cls = plugin.load(name, "planners")
    settings = {"noise": SPEED[problem]["noise"] / 1.5, "knots": 8}
    size = {"samples": samples, "horizon": SIZE["horizon"]}
    for precision in ("float32", "float64"):
        if name == "kmppi":
            planner = ours(problem, SPEED[problem], precision, samples=samples)
        else:
            model = NumbaDynamics(PROBLEMS[problem][0]())
            planner = cls(model, "none", precision=precision, **size, **settings)
        if planner.fused:
            break
    return planner


def pareto(sizes, seeds, turns: int) -> dict[str, list[dict]]:
    """Plans a second and cost of every algorithm at several K, those of one configuration each.

    In turns with what C++ takes for the rollouts and weights of as many iterations: `over_limit` is
    how many times that a plan takes, call from Python and all. All rates come first: they take
    seconds, and the closed loops minutes. `torch_mppi` is left out: on a Numba model it makes no
    tensors, and is `mppi` in its parent's loop; torch_rollouts.py has it on a model of its own.
    """
    found: dict[str, list[dict]] = {problem: [] for problem in PROBLEMS}
    loops = []
    for (problem, rows), samples in itertools.product(found.items(), sizes):
        planners = {}
        for name in plugin.offered("planners"):
            cls = plugin.load(name, "planners")
            if not issubclass(cls, SamplingPlanner) or name == "torch_mppi":
                continue
            rows.append(row := {"planner": name, "samples": samples})
            try:
                planners[name] = planner = swept(problem, name, samples)
            except ValueError as error:
                row["refused"] = str(error)
                continue
            row |= {"precision": planner.parameters.precision, "fused": bool(planner.fused)}
            loops.append((row, planner))
        limits = limits_of(problem, samples)
        times = {name: [] for name in (*planners, *limits)}
        for _ in range(turns + 1):
            for name, planner in planners.items():
                times[name].append(rate(planner, 0.03))
            for precision, limit in limits.items():
                times[precision].append(limit.seconds(400) * 1e6)
        times = {name: np.array(took[1:]) for name, took in times.items()}  # the first compiles
        for row, planner in loops[-len(planners) :]:
            took, p = times[row["planner"]], planner.parameters
            row["plans_per_s"] = 1e6 / float(np.median(took))
            if limits:
                least = p.iterations * times[p.precision]
                row["over_limit"] = round(float(np.median(took / least)), 2)
            row["load"] = round(os.getloadavg()[0], 1)
        for precision in limits:
            row = {"planner": f"C++, {precision}", "samples": samples, "precision": precision}
            rows.append(row | {"plans_per_s": 1e6 / float(np.median(times[precision]))})
    say(f"all rates are taken, load {os.getloadavg()[0]:.1f}")
    for number, (row, planner) in enumerate(loops):
        row |= closed_loop(planner, seeds)
        say(f"{number + 1}/{len(loops)} {planner.task.name} {row['planner']} {row['samples']}")
    return found


def elsewhere(seeds) -> dict[str, dict]:
    """Median cost, and how often it is at the goal at the end, on tasks of the stack's own.

    No setting here was chosen on them; each planner has K = 256 and one update.
    Beside `mppi` with the task's settings of results/planners.py: `kmppi` as in `SPEED`, and as the
    peer's is shipped (white noise), each as it is for both problems.
    """
    found = {}
    white = {"noise_law": "white", "antithetic": False}
    for name in ELSEWHERE:
        own = MPPI.Parameters(samples=SIZE["samples"], iterations=1, **LAUNCHED[name])
        planners = {"mppi": MPPI(NumbaDynamics(load_task(name)), "none", **vars(own))}
        for problem, shipped in SHIPPED.items():
            largest = float(PROBLEMS[problem][0]().limits.bound()[1][0])
            like_peer = {"knots": shipped["points"], "kernel_width": shipped["width"]}
            like_peer |= {"noise": shipped["sigma"] / largest, "temperature": shipped["lambda"]}
            for who, settings in (("speed", SPEED[problem]), ("shipped", like_peer | white)):
                settings = {**SIZE, "precision": "float32", **settings}
                model = NumbaDynamics(load_task(name))
                planners[f"{who}, {problem}"] = KMPPI(model, "none", **settings)
        found[name] = {}
        for who, planner in planners.items():
            costs, ends = zip(*(episode(planner, seed) for seed in seeds), strict=True)
            there = sum(bool(planner.task.success(x)) for x in ends)
            found[name][who] = {"cost": round(float(np.median(costs)), 2), "at_goal": there}
        say(f"{name}: " + "; ".join(f"{who} {loop['cost']}" for who, loop in found[name].items()))
    return found


def picture(rows: dict[str, list[dict]], path: Path) -> None:
    """Cost against plans a second, a panel for each problem, a colour for each algorithm.

    An upright line is what C++ makes of the rollouts and weights of so many samples, in float32.
    """
    from covary.commands.pictures.canvas import COLOURS, GRID, INK, Canvas

    width, height, left, top = 560, 420, 70, 60
    canvas = Canvas((width + left) * len(rows) + 160, height + top + 60)
    names = sorted({row["planner"] for panel in rows.values() for row in panel if "cost" in row})
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
    for panel, (problem, all_rows) in enumerate(rows.items()):
        x0 = left + panel * (width + left)
        known = [row for row in all_rows if "cost" in row]
        limits = [row for row in all_rows if row["planner"] == "C++, float32"]
        speed = np.log10([row["plans_per_s"] for row in known + limits])
        best = min(row["cost"] for row in known)
        high = np.quantile([row["cost"] for row in known], 0.85) * 1.05
        low, fast = np.floor(speed.min() * 2) / 2, np.ceil(speed.max() * 2) / 2
        canvas.text(x0, 14, f"{problem}: closed-loop cost against plans/s (log)", INK, 14)
        for power in np.arange(np.ceil(low), fast + 0.1):
            x = x0 + width * (power - low) / (fast - low)
            canvas.draw.line([(x, top), (x, top + height)], GRID)
            canvas.text(x - 12, top + height + 6, f"1e{power:.0f}", INK, 11)
        for cost in np.linspace(best, high, 6):
            y = top + height * (1.0 - (cost - best) / (high - best))
            canvas.draw.line([(x0, y), (x0 + width, y)], GRID)
            canvas.text(x0 - 48, y - 6, f"{cost:.1f}", INK, 11)
        for row in limits:
            x = x0 + width * (np.log10(row["plans_per_s"]) - low) / (fast - low)
            canvas.draw.line([(x, top), (x, top + height)], INK)
            canvas.text(x - 24, top - 16, f"C++ {row['samples']}", INK, 11)
        for name in names:
            places = []
            for row in known:
                if row["planner"] == name:
                    up = min((row["cost"] - best) / (high - best), 1.0)
                    right = (np.log10(row["plans_per_s"]) - low) / (fast - low)
                    places.append((x0 + width * right, top + height * (1.0 - up)))
            if len(places) > 1:
                canvas.draw.line(places, colours[name], 2)
            if places:
                canvas.text(places[0][0] + 6, places[0][1] - 6, name, colours[name], 11)
            for x, y in places:
                canvas.draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colours[name])
    canvas.save(path)


def choose(one: Peer, seeds) -> None:
    """As many trials for each; print the best, by what misses its target most."""
    rng = np.random.default_rng(0)
    for problem, targets in TARGETS.items():
        for name in ("speed", "quality", "peer"):
            cost, distance = targets["quality" if name == "peer" else name]
            scale, trials = SHIPPED[problem]["sigma"], []
            largest = float(PROBLEMS[problem][0]().limits.bound()[1][0])
            for _ in range(TRIALS):
                width = float(rng.choice([1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]))
                sigma = float(rng.choice([0.4, 0.5, 0.75, 1.0, 1.25, 1.5])) * scale
                cool = float(rng.choice([0.03, 0.05, 0.1, 0.2, 0.3]))
                rounds = int(rng.choice([2, 3, 4])) if name == "quality" else 1
                knots = int(rng.choice([4, 4, 5]))
                if name == "peer":
                    settings = {"sigma": sigma, "lambda": cool, "width": width}
                    settings["points"] = knots
                    found = peers_loop(one, problem, "kmppi", settings, seeds[:3])
                else:
                    settings = {"knots": knots, "kernel_width": width, "noise": sigma / largest}
                    settings |= {"temperature": cool, "iterations": rounds}
                    found = closed_loop(ours(problem, settings), seeds)
                worst = max(found["cost"] / cost, (found["distance"] / distance) ** 0.1)
                trials.append((worst, settings, found))
            trials.sort(key=lambda trial: trial[0])
            for _, settings, found in trials[:4]:
                print(problem, name, settings, found, flush=True)


def measure(arguments) -> dict:
    """The reference problems, as a dictionary."""
    quick = arguments.quick
    seeds, rounds = range(2 if quick else 20), 1 if quick else 15
    figures = {"benchmark": "planner_rates", "load": round(os.getloadavg()[0], 1)}
    figures |= {"settings": {"speed": SPEED, "quality": QUALITY, "kmppi_tuned": TUNED, **SIZE}}
    figures |= {"peer_settings": SHIPPED, "targets": TARGETS}
    for problem in PROBLEMS:
        mine = {
            "speed_float32": ours(problem, SPEED[problem], "float32"),
            "speed_float64": ours(problem, SPEED[problem]),
            "quality_float32": ours(problem, QUALITY[problem], "float32"),
            "quality_float64": ours(problem, QUALITY[problem]),
        }
        loops = {name: closed_loop(planner, seeds) for name, planner in mine.items()}
        figures[problem] = {"closed_loop": loops, "c_limit": c_limit(problem, rounds)}
    if not peers.has("pytorch_mppi"):
        figures["skipped"] = "pytorch_mppi is not installed"
    else:
        with peer() as one:
            figures["versions"] = one.ask(ask="versions")
            for problem, row in figures.items():
                if problem in PROBLEMS:
                    row |= in_turns(one, problem, rounds)
                    few = seeds[:2] if quick else seeds
                    kinds = (("mppi", SHIPPED), ("kmppi", SHIPPED), ("kmppi_tuned", TUNED))
                    for name, settings in kinds:
                        kind, own = name.split("_")[0], settings[problem]
                        row["closed_loop"][name] = peers_loop(one, problem, kind, own, few)
    return figures


def all_algorithms(quick: bool) -> dict[str, list[dict]]:
    """The sweep, long or quick."""
    return pareto(SIZES[:1], range(1), 1) if quick else pareto(SIZES, range(10), 5)


def tables(figures: dict) -> str:
    """What was measured, in short: plans/s, cost, final distance."""
    lines = []
    for problem in (name for name in PROBLEMS if name in figures):
        row = figures[problem]
        for name, loop in row["closed_loop"].items():
            plans = {
                key: f"{value:,.0f}/s"
                for key, value in row.get("plans_per_s", {}).items()
                if key in (name, f"{name}_float32", f"{name}_float64")
            }
            told = f"cost {loop['cost']:.2f}, distance {loop['distance']:.2g}"
            lines.append(f"{problem:10} {name:16} {told}  {', '.join(plans.values())}")
    panels = figures.get("pareto", {})
    counts = sorted({row["samples"] for panel in panels.values() for row in panel})
    columns = [(problem, count) for problem in panels for count in counts]
    if columns:
        lines.append("| planner | " + " | ".join(f"{p} {n}" for p, n in columns) + " |")
        lines.append("|---" * (len(columns) + 1) + "|")
    cells = {
        (row["planner"], problem, row["samples"]): cell(row)
        for problem, panel in panels.items()
        for row in panel
    }
    for name in sorted({planner for planner, _, _ in cells}):
        told = (cells.get((name, problem, count), "-") for problem, count in columns)
        lines.append(f"| `{name}` | " + " | ".join(told) + " |")
    return "\n".join(lines)


def cell(row: dict) -> str:
    """Plans/s, times the limit, cost, final distance of a row of the sweep."""
    if "refused" in row:
        return "-"
    rate = row["plans_per_s"]
    told = f"{rate / 1e3:.1f}k" if rate >= 1e3 else f"{rate:.0f}"
    told += f", {row['over_limit']:.3g}x" if "over_limit" in row else ""
    return told + (f", {row['cost']:.2f}, {row['distance']:.2g}" if "cost" in row else "")


def main() -> None:
    """Measure and print; or choose settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="trials of settings, on other seeds")
    parser.add_argument("--pareto", action="store_true", help="all algorithms, nothing else")
    parser.add_argument("--elsewhere", action="store_true", help="problems not tuned on")
    parser.add_argument("--quick", action="store_true", help="does it run?")
    parser.add_argument("--picture", type=Path, help="of --pareto, a .png")
    arguments = parser.parse_args()
    if arguments.choose:
        if not peers.has("pytorch_mppi"):
            sys.exit("pytorch_mppi is not installed: make bench makes an environment for it")
        with peer() as one:
            choose(one, range(1000, 1010))
        return
    load = round(os.getloadavg()[0], 1)
    if arguments.elsewhere:
        seeds = range(1 if arguments.quick else 10)
        print(json.dumps({"benchmark": "planner_rates", "elsewhere": elsewhere(seeds)}, indent=1))
        return
    if arguments.pareto:
        sweep = all_algorithms(arguments.quick)
        figures = {"benchmark": "planner_rates", "load": load, "pareto": sweep}
    else:
        figures = measure(arguments)
    if arguments.picture and arguments.pareto:
        picture(figures["pareto"], arguments.picture)
    print(json.dumps(figures, indent=1))
    say(tables(figures))


if __name__ == "__main__":
    sys.exit(main())
