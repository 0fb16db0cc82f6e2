"""What zenoh-ros2-sdk does beside a launch; runs in an environment of its own."""

import json
import os
import sys
import time
from pathlib import Path

from zenoh_ros2_sdk import ROS2Publisher, ROS2ServiceClient, ROS2Subscriber
from zenoh_ros2_sdk.session import ZenohSession
from zenoh_ros2_sdk.utils import compute_service_type_hash, get_type_hash

TRIGGER, POSE = "std_srvs/srv/Trigger", "geometry_msgs/msg/PoseStamped"
told = json.loads(Path(sys.argv[1]).read_text())
texts = told["definitions"]
host, port = told["endpoint"].removeprefix("tcp/").split(":")
place = {"domain_id": told["domain"], "router_ip": host, "router_port": int(port)}
session = ZenohSession.get_instance(host, int(port))
for name in told["order"]:  # what others are made of first; it would fetch them from a repository
    session.register_message_type(texts[name], name)


def plain(value):
    """A message as JSON has it."""
    if hasattr(value, "__msgtype__"):
        fields = [name for name in vars(value) if not name.startswith("_")]
        return {name: plain(getattr(value, name)) for name in fields}
    return value.tolist() if hasattr(value, "tolist") else value


def ends(kind):
    """Definition and hash of a message type; the hash is the SDK's own."""
    return {
        "msg_definition": texts[kind],
        "type_hash": get_type_hash(kind, msg_definition=texts[kind], dependencies=texts),
    }


heard = {name: [] for name in told["topics"]}
subscribers = [
    ROS2Subscriber(name, kind, heard[name].append, **ends(kind), **place)
    for name, kind in told["topics"].items()
]
goals = ROS2Publisher("/goal", POSE, **ends(POSE), **place)
until = time.monotonic() + 20
while time.monotonic() < until and any(len(found) < 5 for found in heard.values()):
    time.sleep(0.01)

request, response = (texts[f"{TRIGGER}_{side}"] for side in ("Request", "Response"))
calls = {}
for name in ("stop", "reset"):
    client = ROS2ServiceClient(
        f"/{name}",
        TRIGGER,
        request_definition=request,
        response_definition=response,
        type_hash=compute_service_type_hash(TRIGGER, request, response, texts),
        **place,
    )
    calls[name] = plain(client.call(structure_needs_at_least_one_member=0))
    time.sleep(0.3)  # the launch's plant turns its ticks with the stop in force

kinds = session.store.types
stamp = kinds["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
x, y = told["goal"]
goals.publish(
    header=kinds["std_msgs/msg/Header"](stamp=stamp, frame_id="world"),
    pose=kinds["geometry_msgs/msg/Pose"](
        position=kinds["geometry_msgs/msg/Point"](x=x, y=y, z=0.0),
        orientation=kinds["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    ),
)
time.sleep(0.5)  # what was sent leaves this process
heard = {name: [plain(message) for message in found[:5]] for name, found in heard.items()}
print(json.dumps({"heard": heard, **calls}), flush=True)
os._exit(0)  # its session's threads would keep the process alive
