"""Other people's ROS 2 clients beside a running launch: their environments, and what they saw."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ros2_client

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
from launches import SMALL, renders, start, wait_for  # noqa: E402

from covary.nodes import messages as m  # noqa: E402
from covary.nodes.bags.reader import Bag  # noqa: E402

JOINTS, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"
POSE, TRIGGER = "geometry_msgs/msg/PoseStamped", "std_srvs/srv/Trigger"
PICTURE = "/camera/top/image_raw"
GOAL = (0.1, -0.3)
STOPPED = 4  # of covary_msgs/msg/Applied


def environment(pin):
    """Python of an environment with one pinned package, made at the first use and then kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "covary-tests" / f"{pin}-py{sys.version_info.major}{sys.version_info.minor}"
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pin],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=900)
            if done.returncode:
                pytest.skip(f"{pin} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        made.touch()
    return python


def definition(name):
    """The .msg text of a structure."""
    lines = []
    for field, kind, length in ros2_client.fields(name):
        brackets = "" if length is None else "[]" if length == 0 else f"[{length}]"
        lines.append(f"{kind.replace('/msg/', '/')}{brackets} {field}\n")
    return "".join(lines)


def beside_a_launch(place, peer, python, port=None, **told):
    """Runs a launch in ROS 2's default domain, and a client's script beside it.

    Args:
        place: Where.
        peer: The script.
        python: What runs it.
        port: Where the launch listens for the client; None: where its own nodes meet.
        **told: What the script is told.

    Returns:
        What the script printed as its last line, as JSON; and the bags.
    """
    camera = renders()
    topics = {"/joint_states": JOINTS} | ({PICTURE: IMAGE} if camera else {})
    words = (*SMALL, "realtime:=true", "episodes:=1000", "domain:=0", f"camera:={camera}".lower())
    listen = (f"listen:=tcp/127.0.0.1:{port}",) if port else ()
    launcher = start(place, "reach", *words, *listen)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: launcher.poll() is None and launcher.kill())
        (file,) = wait_for(lambda: list(place.glob("runs/*/endpoint.json")), launcher=launcher)
        client = ros2_client.Client("watcher", file)
        stack.callback(client.close)
        applied = client.subscribe("/applied", "covary_msgs/msg/Applied")
        wait_for(applied.qsize, launcher=launcher)
        where = json.loads(file.read_text())
        endpoint = f"tcp/127.0.0.1:{port}" if port else where["endpoint"]
        told |= {"endpoint": endpoint, "domain": where["domain"], "topics": topics}
        (place / "told.json").write_text(json.dumps(told | {"goal": GOAL}))
        command = [str(python), str(Path(__file__).with_name(peer)), str(place / "told.json")]
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ROS", "AMENT"))
        }
        if "ament" in told:
            clean["AMENT_PREFIX_PATH"] = told["ament"]
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=60)
        run = next(place.glob("runs/*"))
    saw = json.loads(done.stdout.splitlines()[-1])
    assert set(saw["heard"]) == set(topics)
    return saw, [Bag(path) for path in sorted((run / "bags").iterdir())]


def recorded(bags, topic):
    """Every message of a topic, by its stamp in ns."""
    found = {}
    for bag in bags:
        for message in map(bag.decode, bag.messages([topic])):
            found[m.nanoseconds(message.header.stamp)] = message
    return found


def check(saw, bags):
    """That what a client read is what was recorded, and that its calls and goal were heard."""
    for topic, heard in saw["heard"].items():
        assert len(heard) >= 3
        known = recorded(bags, topic)
        for ours in heard:
            stamp = ours["header"]["stamp"]
            message = known[stamp["sec"] * 10**9 + stamp["nanosec"]]
            for name, value in ours.items():
                if name != "header":
                    kept = getattr(message, name)
                    assert value == (kept.tolist() if hasattr(kept, "tolist") else kept), name
    assert saw["stop"]["success"] and saw["reset"]["success"]
    statuses = [a.status for a in recorded(bags, "/applied").values()]
    assert STOPPED in statuses and statuses[-1] != STOPPED
    aims = [dict(zip(s.name, s.value, strict=True)) for s in recorded(bags, "/state").values()]
    assert any((aim["goal_x"], aim["goal_y"]) == GOAL for aim in aims)
