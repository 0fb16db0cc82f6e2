"""zenoh-ros2-sdk reads a running launch, calls its services and gives it a goal."""

import pytest
from other_clients import beside_a_launch, check, definition, environment

PIN = "zenoh-ros2-sdk==0.1.8"
ORDER = (
    *("builtin_interfaces/msg/Time", "std_msgs/msg/Header", "geometry_msgs/msg/Point"),
    *("geometry_msgs/msg/Quaternion", "geometry_msgs/msg/Pose", "geometry_msgs/msg/PoseStamped"),
)
OTHERS = (
    *("sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"),
    *("std_srvs/srv/Trigger_Request", "std_srvs/srv/Trigger_Response"),
)


@pytest.mark.slow
def test_the_sdk_reads_calls_and_publishes(tmp_path):
    """With the hashes that it computes itself from the definitions."""
    python = environment(PIN)
    texts = {name: definition(name) for name in (*ORDER, *OTHERS)}
    check(*beside_a_launch(tmp_path, "sdk_peer.py", python, definitions=texts, order=ORDER))
