"""A process that a launch starts with `executable` finds its way into the graph."""

import json
import shlex
import sys
from pathlib import Path

import ros2_client

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
from launches import launch  # noqa: E402

STRANGER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, FOLDER)
from ros2_client import Client
client = Client("stranger", Path(os.environ["COVARY_RUN"]))
until = time.monotonic() + 20
while not {"/launcher", "/stranger"} <= {end.node for end in client.graph() if end.kind == "NN"}:
    assert time.monotonic() < until, client.graph()
    time.sleep(0.01)
client.close()
print("met the launcher")
"""


def test_it_joins_by_the_folder_it_is_told(tmp_path):
    script = tmp_path / "stranger.py"
    script.write_text(STRANGER.replace("FOLDER", repr(str(Path(ros2_client.__file__).parent))))
    command = json.dumps(shlex.join([sys.executable, str(script)]))  # a path may hold a space
    entry = f"{{cmd: {command}, name: stranger, on_exit: shutdown}}"
    (tmp_path / "alone.yaml").write_text(f"launch:\n- executable: {entry}\n")
    run = launch(tmp_path, "alone.yaml")
    assert "met the launcher" in (run.folder / "stranger.log").read_text()
