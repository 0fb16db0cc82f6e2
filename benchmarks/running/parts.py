"""`make bench` and `make results`: every part in turn, figures as JSON, tables at the end.

A part is a program of benchmarks/ or benchmarks/results/ that prints one JSON object. A finished
part is not run again; one that is named is. A part that fails does not keep the others from
running. The peers from the package index are in .peers, and parts that compare take turns with
them; without the network there is no comparison.

    python -P benchmarks/running/parts.py bench                  # what is not finished
    python -P benchmarks/running/parts.py bench planner_rates    # this part, finished or not
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from covary.benchmarks.running import peers
from covary.benchmarks.running.tables import as_markdown

HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """A program, its arguments, how long it takes and whom it is beside."""

    words: str
    minutes: float
    """On quiet cores, about: until it has run here."""
    peer: str = ""
    """The module of a peer, if there is one."""


BENCH = {
    "arm_rates": Part("arm_rates.py", 0.3),
    "bus_round_trip": Part("bus_round_trip.py", 0.5),
    "camera_rate": Part("camera_rate.py", 0.3),
    "engines": Part("engines.py", 0.3),
    "exactness": Part("exactness.py", 3),
    "heightmap": Part("heightmap.py", 0.3),
    "image_estimates": Part("image_estimates.py", 0.5),
    "judo_rates": Part("judo_rates.py", 1, "judo"),
    "launch_to_first_command": Part("launch_to_first_command.py", 1),
    "latent_plan": Part("latent_plan.py", 2),
    "layers": Part("layers.py", 2),
    "learned_rollouts": Part("learned_rollouts.py", 1),
    "mujoco_rollouts": Part("mujoco_rollouts.py", 2),
    "pixel_worlds": Part("pixel_worlds.py", 0.5),
    "plan_time": Part("plan_time.py", 1),
    "plan_time_of_batches": Part("plan_time.py --batch", 3),
    "planner_load": Part("planner_load.py", 2),
    "planner_rates": Part("planner_rates.py", 3, "pytorch_mppi"),
    "planner_sweep": Part("planner_rates.py --pareto --picture runs/bench/planner_sweep.png", 12),
    "planner_rates_elsewhere": Part("planner_rates.py --elsewhere", 1),
    "policy_latency": Part("policy_latency.py", 2),
    "push_plant_symmetry": Part("push_plant_symmetry.py", 0.5),
    "recorder_throughput": Part("recorder_throughput.py", 2),
    "sensor_to_command": Part("sensor_to_command.py", 2),
    "start_time": Part("start_time.py", 0.7),
    "steerable_fit": Part("steerable_fit.py", 0.5),
    "tabletop_rate": Part("tabletop_rate.py", 0.5),
    "torch_rollouts": Part("torch_rollouts.py", 1),
}
RESULTS = {
    "beside_judo": Part("results/beside_judo.py", 30, "judo"),
    "bmil": Part("results/bmil.py", 60),
    "collecting": Part("results/collecting.py", 10),
    "dials": Part("results/dials.py", 2),
    "discovery": Part("results/discovery.py", 40),
    "discovery_claims": Part("results/discovery_claims.py", 10),
    "exact_relaxed_free": Part("results/exact_relaxed_free.py", 75),
    "experts": Part("results/experts.py", 25),
    "latents": Part("results/latents.py", 115),
    "mismatch": Part("results/mismatch.py", 30),
    "perception": Part("results/perception.py", 75),
    "plan_memory": Part("results/plan_memory.py", 10),
    "plan_memory_in_mujoco": Part("results/plan_memory.py --plant mujoco --out runs/in_mujoco", 10),
    "planners": Part("results/planners.py", 15),
    "prediction": Part("results/prediction.py", 75),
    "push_groups": Part("results/push_groups.py", 60),
    "sen": Part("results/sen.py", 160),
    "state_models": Part("results/state_models.py", 15),
    "success": Part("results/success.py", 6),
    "symmetry": Part("results/symmetry.py", 5),
    "symmetry_modes": Part("results/symmetry_modes.py", 10),
    "tdmpc": Part("results/tdmpc.py", 180),
    "tilted_camera": Part("results/tilted_camera.py", 45),
    "trace_reach": Part("results/trace_reach.py", 10),
}


class Run:
    """Parts, and what is there of them in a folder.

    Args:
        parts: By name.
        folder: Where figures, tables and `summary.json` are kept.
    """

    def __init__(self, parts: dict[str, Part], folder: Path) -> None:
        self.parts, self.folder, self.there = parts, folder, folder / "summary.json"
        self.failed: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(self.there.read_text()) if self.there.exists() else {}
        self.summary: dict[str, dict] = {name: known[name] for name in parts if name in known}

    def figures(self, name: str) -> dict | None:
        """Of a part that is finished."""
        file = self.folder / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def left(self) -> list[str]:
        """Parts to run: not finished, or without a peer that is there by now."""

        def whole(part: Part, figures: dict | None) -> bool:
            alone = figures is not None and "skipped" in figures
            return figures is not None and not (alone and peers.has(part.peer))

        return [n for n, part in self.parts.items() if not whole(part, self.figures(n))]

    def announce(self, todo: list[str]) -> None:
        """What will run and about how long; a part that ran before takes what it took."""
        minutes = {n: self.summary.get(n, {}).get("minutes", self.parts[n].minutes) for n in todo}
        print(f"{len(todo)} of {len(self.parts)} parts, about {sum(minutes.values()):.0f} min:")
        for name in self.parts:
            other = "there already" if self.figures(name) else "not asked for"
            told = f"{minutes[name]:.1f} min" if name in todo else other
            print(f"  {name:24}{told:>15}", flush=True)

    def run(self, todo: list[str]) -> None:
        """Run parts; the figures of one that ends well replace those that are there."""
        self.announce(todo)
        for number, name in enumerate(todo, 1):
            part, partial = self.parts[name], self.folder / f"{name}.partial"
            program, *words = part.words.split()
            print(f"{number}/{len(todo)} {name}", flush=True)
            began, before, load = time.time(), _children(), os.getloadavg()[0]
            with partial.open("w") as out:
                command = [sys.executable, "-P", str(HERE / program), *words]
                code = subprocess.run(command, stdout=out).returncode
            if code == 0 and _is_json(partial):
                partial.replace(self.folder / f"{name}.json")
            else:
                self.failed.append(name)
                print(f"{name} failed (exit code {code}), see {partial}", flush=True)
                continue
            self.summary[name] = {
                "minutes": round((time.time() - began) / 60, 2),
                "core_minutes": round((_children() - before) / 60, 2),
                "load_before": round(load, 1),
                "ended": time.strftime("%Y-%m-%d %H:%M"),
                "revision": _revision(),
            }
            self.there.write_text(json.dumps(self.summary, indent=1) + "\n")

    def tables(self) -> str:
        """All that is there, as Markdown."""
        told = [as_markdown({"parts": self.summary})]
        for name in self.parts:
            figures = self.figures(name)
            if figures is not None:
                told.append(f"## {name}\n\n{as_markdown(figures)}")
        return "\n\n".join(told)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text()), dict)
    except ValueError:
        return False


def _revision() -> str:
    """Of the code, or nothing outside of a repository."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bench", "results"))
    parser.add_argument("parts", nargs="*", help="only these, finished or not")
    asked = parser.parse_args()
    parts = BENCH if asked.what == "bench" else RESULTS
    if unknown := [name for name in asked.parts if name not in parts]:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(parts)}")
    run = Run(parts, Path("runs") / asked.what)
    if any(parts[name].peer for name in asked.parts or parts):
        peers.make()
    stopped = False
    try:
        run.run(asked.parts or run.left())
    except KeyboardInterrupt:
        stopped = True
    tables = run.tables()
    (run.folder / "tables.md").write_text(tables + "\n", encoding="utf-8")
    print(tables)
    for name in run.failed:
        print(f"failed: {name}")
    if stopped:
        print(f"stopped; the same command goes on: {len(run.left())} parts are left")
    return 130 if stopped else int(bool(run.failed))


if __name__ == "__main__":
    sys.exit(main())
