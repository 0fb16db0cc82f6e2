"""A thousand episodes of push by two workers: time and memory per episode, and whether they grow.

Prints one JSON object: processor time per simulated second of the first and the last tenth of the
attempts (medians; episodes differ in length, and a busy machine's wall clock tells nothing), a
worker's memory then, and the slopes over the last three quarters: a fresh process fills its caches
for a while. An argument is another number of episodes.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from covary.nodes.collecting.attempts import Attempt, Attempts
from covary.nodes.collecting.crew import Crew

SMALL = ("samples:=64", "horizon:=20", "iterations:=1")
WORKERS = 2


def made(folder: Path, episodes: int) -> tuple[list[dict], float]:
    """What became of every attempt, and how long all took (s, wall)."""
    first = [sys.executable, "-P", "-m", "covary.commands.main", "collect", "push.yaml", *SMALL]
    command = [*first, "episodes:=1", f"out:={folder}"]  # the folder, with its launch file
    subprocess.run(command, check=True, capture_output=True)
    attempts = Attempts(folder, episodes, False, episodes)
    attempts.open(print)
    answers, begin = [], time.monotonic()
    with open(folder / ".lock") as lock, Crew(folder, WORKERS, False, lock.fileno()) as crew:
        while not attempts.whole:
            for worker in crew.idle:
                if (number := attempts.next(crew.running)) is not None:
                    worker.give(number)
            for answer in crew.answers(0.5):
                told = answer.told
                if "error" in told:
                    raise RuntimeError(f"attempt {answer.number}: {told['error']}")
                attempts.add(Attempt(*(told[key] for key in Attempt.__dataclass_fields__)))
                answers.append({"number": answer.number, **told})
                if len(answers) % 100 == 0:
                    print(f"{len(answers)}/{episodes}", file=sys.stderr)
    return sorted(answers, key=lambda a: a["number"]), time.monotonic() - begin


def main() -> None:
    """Measure, and print."""
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as place:
        answers, wall_s = made(Path(place) / "data", episodes)
        bytes_ = sum(f.stat().st_size for f in Path(place).rglob("*") if f.is_file())
    answers = answers[WORKERS * 2 :]  # a worker's first ones load kernels
    cost = np.array([a["cpu_s"] / a["duration"] for a in answers])
    memory = np.array([a["memory_mib"] for a in answers])
    tenth = max(1, len(answers) // 10)
    tenths = slice(0, tenth), slice(-tenth, None)
    late = np.arange(len(answers) // 4, len(answers))
    figures = {
        "benchmark": "collecting",
        "episodes": episodes,
        "workers": WORKERS,
        "successes": sum(a["success"] for a in answers),
        "simulated_s": round(sum(a["duration"] for a in answers), 1),
        "wall_s": round(wall_s, 1),
        "episodes_per_min": round(60 * len(answers) / wall_s, 1),
        "bytes_per_episode": round(bytes_ / episodes),
        "cpu_s_per_episode": round(float(np.mean([a["cpu_s"] for a in answers])), 4),
        "cpu_ms_per_simulated_s": [round(1e3 * float(np.median(cost[t])), 2) for t in tenths],
        "memory_mib": [round(float(np.median(memory[t])), 1) for t in tenths],
        "cpu_slope_per_1000": round(
            float(1e3 * np.polyfit(late, cost[late] / cost.mean(), 1)[0]), 4
        ),
        "memory_slope_mib_per_1000": round(float(1e3 * np.polyfit(late, memory[late], 1)[0]), 2),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
