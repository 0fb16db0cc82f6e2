"""Bags of made-up episodes, with all that a dataset's reader looks at."""

import numpy as np

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter

NAMES = ["gripper_x", "gripper_y", "block_x", "block_y", "opening"]
TICKS, PERIOD = 6, 50_000_000  # ns


def head(ns, frame="world"):
    return messages.Header(stamp=messages.Time(ns // 10**9, ns % 10**9), frame_id=frame)


def made(folder, number, success=True, truth=True, begin=0, size=4, plans=None, **facts):
    """Write one episode; images at every other tick, at height `number` + tick in metres.

    Args:
        folder: Where its bag will stand.
        number: Of the episode.
        success: How it ended.
        truth: Whether /ground_truth was recorded.
        begin: Stamp of its first tick, ns.
        size: Pixels of an image.
        plans: Of each tick the actions that were planned, dy before dx, (H, 2) or None; None: no
            plans at all.
        facts: More metadata.
    """
    metadata = {"task": "block_pick", "episode": str(number), "aborted": "false", "seed": "3"}
    metadata |= {"success": str(success).lower(), "cost": "2.1", "duration": "0.3", **facts}
    writer = BagWriter(folder, metadata)

    def put(topic, message, ns):
        writer.write(topic, message.__msgtype__, messages.serialize(message), ns, ns)

    rng = np.random.default_rng(number)
    for tick in range(TICKS):
        ns = begin + tick * PERIOD
        x = np.array([0.1, 0.01 * tick, 0.2, 0.0, 0.5]) + 0.01 * number
        put("/state", messages.State(head(ns), number, NAMES[:2], x[:2]), ns)
        if truth:
            put("/ground_truth", messages.State(head(ns), number, NAMES, x), ns)
        none = np.zeros(0)
        action = rng.normal(size=2)
        put("/command", messages.JointState(head(ns), ["dx", "dy"], none, action, none), ns)
        if plans is not None and plans[tick] is not None:
            points = [
                messages.JointTrajectoryPoint(none, row, none, none, messages.Duration(0, 0))
                for row in plans[tick]
            ]
            put("/plan", messages.JointTrajectory(head(ns), ["dy", "dx"], points), ns)
        last = tick == TICKS - 1
        final = x[:2] + 1.0 if last else np.zeros(0)
        put("/cost", messages.Cost(head(ns), 0.1 * (tick + 1), tick > 3, final), ns)
        if tick % 2 == 0:
            see(put, "/camera/height", ns, "32FC1", np.full((size, size, 1), number + tick, "f4"))
            rgb = np.full((size, size, 3), (tick, 2, 3), "u1")
            see(put, "/camera/front", ns + PERIOD // 2, "rgb8", rgb)
    return writer.close()


def see(put, name, ns, encoding, pixels):
    """One image with its camera's info and transform, its rows padded by four bytes."""
    header = head(ns, name[1:].replace("/", "_"))
    h, w = pixels.shape[:2]
    row = pixels.reshape(h, -1).view("u1")
    data = np.hstack([row, np.full((h, 4), 7, "u1")])
    put(
        f"{name}/image_raw",
        messages.Image(header, h, w, encoding, 0, data.shape[1], data.reshape(-1)),
        ns,
    )
    k = np.array([50.0, 0, w / 2, 0, 50.0, h / 2, 0, 0, 1])
    p = np.array([50.0, 0, w / 2, 0, 0, 50.0, h / 2, 0, 0, 0, 1, 0])
    roi = messages.RegionOfInterest(0, 0, 0, 0, False)
    info = messages.CameraInfo(
        header, h, w, "plumb_bob", np.zeros(5), k, np.eye(3).reshape(-1), p, 0, 0, roi
    )
    put(f"{name}/camera_info", info, ns)
    move = messages.Transform(
        messages.Vector3(ns * 1e-9, 0.0, 1.0), messages.Quaternion(1, 0, 0, 0)
    )
    transform = messages.TransformStamped(head(ns), header.frame_id, move)
    put("/tf", messages.TFMessage([transform]), ns)
