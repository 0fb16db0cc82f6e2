"""dora-rs's ROS 2 client (Rust) reads a running launch, calls its services and gives it a goal."""

import json
import socket

import pytest
import ros2_client
from other_clients import beside_a_launch, check, definition, environment

PIN = "dora-rs==1.1.0"
TYPES = (
    *("builtin_interfaces/msg/Time", "std_msgs/msg/Header", "sensor_msgs/msg/JointState"),
    *("sensor_msgs/msg/Image", "geometry_msgs/msg/Point", "geometry_msgs/msg/Quaternion"),
    *("geometry_msgs/msg/Pose", "geometry_msgs/msg/PoseStamped", "std_srvs/srv/Trigger"),
)


def ament(root):
    """Packages as ROS 2 installs them: definitions, and descriptions with the types' hashes."""
    for type_name in TYPES:
        package, kind, name = type_name.split("/")
        folder = root / "share" / package / kind
        folder.mkdir(parents=True, exist_ok=True)
        package_xml = f'<package format="3"><name>{package}</name></package>\n'
        (root / "share" / package / "package.xml").write_text(package_xml)
        if kind == "srv":
            # It leaves the octet of an empty structure out, so the octet is a field here.
            sides = (definition(f"{type_name}_{side}") for side in ("Request", "Response"))
            (folder / f"{name}.srv").write_text("---\n".join(sides))
        else:
            (folder / f"{name}.msg").write_text(definition(type_name))
        described = {"type_description": {"type_name": type_name, "fields": []}}
        described["referenced_type_descriptions"] = []
        hashes = [{"type_name": type_name, "hash_string": ros2_client.rihs01(type_name)}]
        text = json.dumps({"type_description_msg": described, "type_hashes": hashes})
        (folder / f"{name}.json").write_text(text)
    return root


@pytest.mark.slow
def test_dora_reads_calls_and_publishes(tmp_path):
    """By a port of the launch's own for others, as docs/topics.md has it for ROS 2.

    In domain 0: dora-rs 1.1.0 sends and hears data of no other, whatever it announces.
    """
    python = environment(PIN)
    folder = ament(tmp_path / "ament")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check(*beside_a_launch(tmp_path, "dora_peer.py", python, port, ament=str(folder)))
