"""`make test-all`: the default suite, then every file with slow tests; goes on where it stopped.

A file that fails does not keep the others from running. What passed is not run again until the code
changes; logs and `summary.json`, with the seconds of each file, are in runs/test-all.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "runs" / "test-all"
DEFAULT = "default suite"
PYTEST = (sys.executable, "-P", "-m", "pytest", "-q")


def git(*words: str) -> bytes:
    """What git says of the checkout; nothing where there is none."""
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True).stdout


def revision() -> str:
    """Of the code, uncommitted changes of known files included."""
    return hashlib.sha256(git("rev-parse", "HEAD") + git("diff", "HEAD")).hexdigest()[:12]


def slow_files() -> dict[str, int]:
    """Files with slow tests, the fewest first, and how many."""
    listed = (*PYTEST, "--collect-only", "-m", "slow")
    text = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout
    files = [line.partition("::")[0] for line in text.splitlines() if "::" in line]
    return dict(sorted(((file, files.count(file)) for file in set(files)), key=lambda f: f[::-1]))


def minutes(left: list[str], known: dict[str, dict]) -> str:
    """How long files take if they take what they took; the others as long as those in the mean."""
    took = [row["seconds"] for name, row in known.items() if name != DEFAULT]
    mean = sum(took) / len(took) if took else 0.0
    total = sum(known.get(name, {}).get("seconds", mean) for name in left)
    return f"{len(left)} left" + (f", about {total / 60:.0f} min" if total else "")


def run(name: str) -> dict:
    """Run a part, its output in a log."""
    log = FOLDER / f"{name.replace('/', '.').replace(' ', '_')}.log"
    slow = (*PYTEST, "-m", "slow", "--durations=5", name)
    command = ("make", "--no-print-directory", "test") if name == DEFAULT else slow
    began = time.monotonic()
    with log.open("w") as out:
        code = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT).returncode
    said = re.findall(
        r"^=*\s*(\d+ (?:passed|failed|skipped|error).*?)[\s=]*$", log.read_text(), re.M
    )
    told = "; ".join(said) or f"exit code {code}"
    return {"ok": code == 0, "told": told, "seconds": round(time.monotonic() - began, 1)}


def main() -> int:
    """Run what has not passed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    at, there = revision(), FOLDER / "summary.json"
    known = json.loads(there.read_text()) if there.exists() else {}
    files = [DEFAULT, *slow_files()]
    passed = [n for n in files if known.get(n, {}).get("ok") and known[n]["revision"] == at]
    left = [name for name in files if name not in passed]
    print(f"{len(passed)} of {len(files)} parts passed before; {minutes(left, known)}", flush=True)
    stopped = False
    try:
        while left:
            name = left.pop(0)
            known[name] = {**run(name), "revision": at}
            there.write_text(json.dumps(known, indent=1) + "\n")
            told = "" if known[name]["ok"] else "FAILED  "
            print(f"{told}{name}: {known[name]['told']}; {minutes(left, known)}", flush=True)
    except KeyboardInterrupt:
        stopped = True
    failed = [name for name in files if not known.get(name, {"ok": True})["ok"]]
    for name in failed:
        print(f"FAILED  {name}: {known[name]['told']} (logs: {FOLDER.relative_to(ROOT)})")
    return 130 if stopped else int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
