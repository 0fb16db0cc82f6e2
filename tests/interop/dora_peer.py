"""What dora-rs's ROS 2 client does beside a launch; runs in an environment of its own."""

import json
import sys
import time
import warnings
from pathlib import Path

import dora
import pyarrow as pa

told = json.loads(Path(sys.argv[1]).read_text())
config = Path(sys.argv[1]).with_name("zenoh.json5")
config.write_text(
    json.dumps(
        {
            "mode": "peer",
            "connect": {"endpoints": [told["endpoint"]]},
            "listen": {"endpoints": ["tcp/127.0.0.1:0"]},
            "scouting": {"multicast": {"enabled": False}},
        }
    )
)
warnings.simplefilter("ignore")  # it calls itself unstable
transport = dora.Ros2Transport.zenoh("rep2016", str(config))
context = dora.Ros2Context(ros_paths=[told["ament"]], domain_id=told["domain"], transport=transport)
node = context.new_node("dora_peer", "/", dora.Ros2NodeOptions(rosout=False))
qos = dora.Ros2QosPolicies(reliable=True, keep_last=10)


def topic(name, type_name):
    """A topic under the type's short name."""
    return node.create_topic(name, type_name.replace("/msg/", "/"), qos)


heard = {}
subscriptions = {
    name: node.create_subscription(topic(name, kind), qos) for name, kind in told["topics"].items()
}
goals = node.create_publisher(topic("/goal", "geometry_msgs/msg/PoseStamped"), qos)
until = time.monotonic() + 20
while time.monotonic() < until and any(len(heard.get(name, ())) < 5 for name in subscriptions):
    for name, subscription in subscriptions.items():
        message = subscription.next()
        if message is not None:
            heard.setdefault(name, []).append(message.to_pylist()[0])
    time.sleep(0.002)

calls = {}
for name in ("stop", "reset"):
    client = node.create_service_client(f"/{name}", "std_srvs/Trigger", qos)
    request = {"structure_needs_at_least_one_member": 0}
    kind = pa.struct([("structure_needs_at_least_one_member", pa.uint8())])
    calls[name] = client.call(pa.array([request], type=kind), timeout_s=10).to_pylist()[0]
    time.sleep(0.3)  # the launch's plant turns its ticks with the stop in force

x, y = told["goal"]
time_type = pa.struct([("sec", pa.int32()), ("nanosec", pa.uint32())])
header = pa.struct([("stamp", time_type), ("frame_id", pa.string())])
point = pa.struct([(axis, pa.float64()) for axis in "xyz"])
turn = pa.struct([(axis, pa.float64()) for axis in "xyzw"])
pose = pa.struct([("position", point), ("orientation", turn)])
goals.publish(
    pa.array(
        [
            {
                "header": {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": "world"},
                "pose": {
                    "position": {"x": x, "y": y, "z": 0.0},
                    "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
                },
            }
        ],
        type=pa.struct([("header", header), ("pose", pose)]),
    )
)
time.sleep(0.5)  # what was sent leaves this process
print(json.dumps({"heard": heard, **calls}), flush=True)
