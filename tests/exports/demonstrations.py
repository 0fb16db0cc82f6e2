"""Bags of push episodes as the sim node would record them, with numbers and images we know."""

from dataclasses import dataclass, field

import numpy as np

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.sim.tasks.push import Push

DT = 0.05
HEIGHT, WIDTH = 48, 64
BITS = 9
"""Every image says its number, in squares of eight pixels, black or white."""
K = np.array([[70.0, 0, 31.5], [0, 70.0, 23.5], [0, 0, 1]])


@dataclass
class Known:
    """What went into a bag."""

    time: np.ndarray
    state: np.ndarray
    final: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    near: np.ndarray
    images: np.ndarray | None = None
    """(T, H, W, 3) what was to be seen at each tick."""
    depth: np.ndarray | None = None
    """(T, H, W, 1)"""
    hand: np.ndarray | None = None
    """(T, 7) pose of the hand's camera."""
    truth: np.ndarray | None = None
    facts: dict = field(default_factory=dict)


def record(folder, number, *, ticks=40, cameras=True, change=lambda topic, k, message: message,
           every=2, truth=False, hand=False, **metadata):  # fmt: skip
    """Writes one episode; `change` may spoil a message, or drop it by giving None."""
    push, rng = Push(), np.random.default_rng([5, number])
    known = Known(
        # As the sim node has it: time goes on over episodes.
        time=np.array([round((1000 * number + 10 * k) * 5e6) * 1e-9 for k in range(ticks)]),
        state=rng.normal(size=(ticks, 8)),
        final=rng.normal(size=8),
        action=rng.uniform(-0.2, 0.2, (ticks, 2)),
        reward=-rng.uniform(0, 1, ticks),
        near=rng.random(ticks) < 0.3,
        truth=rng.normal(size=(ticks, 9)) if truth else None,
    )
    model = push.model_text()
    known.facts = {"task": "push", "task_options": "{}", "engine": "mujoco", "seed": "7",
                   "episode": str(number), "success": "true", "aborted": "false",
                   "model_sha256": "ab" * 32, **metadata}  # fmt: skip
    writer = BagWriter(folder / "bags" / f"episode_{number:06d}", known.facts)
    writer.attach("model.xml", "application/xml", model.encode())

    def publish(topic, k, message):
        message = change(topic, k, message)
        if message is not None:
            stamp = round(known.time[k] * 1e9)
            writer.write(topic, message.__msgtype__, messages.serialize(message), stamp, stamp)

    seen = -1
    for k, time in enumerate(known.time):
        head = messages.Header(stamp=messages.stamp(time), frame_id="world")
        if cameras and k % every == 0:
            seen += 1
            film(publish, known, k, seen, rng, hand)
        names = list(push.state_names)
        if truth:
            values = known.truth[k].copy()
            message = messages.State(head, number, [*names, "hidden"], values)
            publish("/ground_truth", k, message)
        publish("/state", k, messages.State(head, number, names, known.state[k].copy()))
        command = messages.JointState(head, list(push.action_names), np.zeros(0),
                                      known.action[k].copy(), np.zeros(0))  # fmt: skip
        publish("/command", k, command)
        final = known.final.copy() if k == ticks - 1 else np.zeros(0)
        publish("/cost", k, messages.Cost(head, -known.reward[k], bool(known.near[k]), final))
    writer.close()
    for name in ("images", "depth", "hand"):  # each frame for as long as it was the newest
        if (frames := getattr(known, name)) is not None:
            setattr(known, name, np.repeat(frames, every, axis=0)[:ticks])
    return known


def film(publish, known, k, seen, rng, hand):
    """Publishes what the cameras see: the n-th image says n."""
    frame = messages.Header(stamp=messages.stamp(known.time[k]), frame_id="camera_top")
    image, depth = picture(seen), rng.uniform(0.1, 2.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth[0, :3] = -0.0, 1e-42, 3.4e38  # bits that anything but a copy would change
    pose = [0.1, 0.2, 1.3, 1.0, 0.0, 0.0, 0.0]
    moving = [0.1 * seen, 0.0, 0.4, 0.0, 0.6, 0.0, 0.8]
    frames = {"camera_top": pose, **({"camera_hand": moving} if hand else {})}
    publish("/tf", k, messages.TFMessage([transform(known.time[k], *f) for f in frames.items()]))
    keep(known, "images", image)
    keep(known, "depth", depth[..., None])
    if hand:
        keep(known, "hand", np.array(moving))
    info = messages.CameraInfo(
        frame, HEIGHT, WIDTH, "plumb_bob", np.zeros(5), K.reshape(-1), np.eye(3).reshape(-1),
        np.hstack([K, np.zeros((3, 1))]).reshape(-1), 0, 0,
        messages.RegionOfInterest(0, 0, 0, 0, False),
    )  # fmt: skip
    publish("/camera/top/camera_info", k, info)
    publish("/camera/top/image_raw", k, shown(frame, "rgb8", image))
    publish("/camera/top/depth/camera_info", k, info)
    publish("/camera/top/depth/image_raw", k, shown(frame, "32FC1", depth))
    if hand:
        frame = messages.Header(stamp=frame.stamp, frame_id="camera_hand")
        publish("/camera/hand/image_raw", k, shown(frame, "rgb8", image))


def keep(known, name, value):
    """Adds a frame to what is known."""
    before = getattr(known, name)
    value = value[None].copy()
    setattr(known, name, value if before is None else np.concatenate([before, value]))


def shown(header, encoding, pixels):
    data = np.ascontiguousarray(pixels)
    return messages.Image(header, *data.shape[:2], encoding, 0, data.strides[0],
                          data.reshape(-1).view(np.uint8))  # fmt: skip


def transform(time, frame, pose):
    head = messages.Header(stamp=messages.stamp(time), frame_id="world")
    turn = messages.Quaternion(*pose[3:])
    return messages.TransformStamped(
        head, frame, messages.Transform(messages.Vector3(*pose[:3]), turn)
    )


def picture(number):
    """A smooth coloured ground with the number on it. (H, W, 3) uint8"""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([60 + 2 * x, 200 - 2 * y, 80 + x + y], axis=-1).astype(np.uint8)
    for bit in range(BITS):
        column, row = divmod(bit, 4)
        here = slice(8 + 8 * row, 16 + 8 * row), slice(16 + 8 * column, 24 + 8 * column)
        ground[here] = 255 * (number >> bit & 1)
    return ground


def number_in(image):
    """The number that an image says."""
    number = 0
    for bit in range(BITS):
        column, row = divmod(bit, 4)
        centre = image[10 + 8 * row : 14 + 8 * row, 18 + 8 * column : 22 + 8 * column]
        number |= int(centre.mean() > 127) << bit
    return number


def psnr(a, b):
    """Peak signal-to-noise ratio of two images, dB."""
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
