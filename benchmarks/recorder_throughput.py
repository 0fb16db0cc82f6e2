"""The recorder node beside three cameras of 640 x 480 x 3 bytes at 30 Hz (83 MB/s), as JSON.

Every camera is a process that does nothing but send images made beforehand; the recorder is the
node as a launch runs it, in a process of its own. `dropped` is what never came or came too late,
counted from the bag itself: sent minus recorded. `cpu` is user + system time over wall time, 1.0
being one core. Half of an image is flat, as a rendered one is, and half is noise.

The floors, in turns in one process, with the same images on the same disk: `write`, a bare
unbuffered write of the same bytes; `mcap`, mcap's writer alone as it comes (chunks of 1 MB);
`bag_writer`, ours alone. Their `cpu_s_per_gb` compares with the recorder's, which has to receive
the bytes as well. Nothing is synced to the disk by any of them.

`--quick`: half a second. `--folder PATH`: where to write (1.7 GB a row), default: for temporary
files.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.bus.session import free_endpoint
from covary.nodes.bus.zenoh_bus import ZenohBus

QUICK = "--quick" in sys.argv
CAMERAS, HZ, HEIGHT, WIDTH = 3, 30, 480, 640
SECONDS = 0.5 if QUICK else 20.0
COMPRESSIONS = ("none",) if QUICK else ("none", "lz4", "zstd")
FLOOR_IMAGES, FLOOR_ROUNDS = (6, 1) if QUICK else (300, 5)
DOMAIN = 78
IMAGE = "sensor_msgs/msg/Image"
CLOCK_HZ = 20


def images(count: int = 4) -> list[bytearray]:
    """CDR bytes of a few different images."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, WIDTH)[None, :, None]
    header = messages.Header(stamp=messages.stamp(0.0), frame_id="camera")
    made = []
    for _ in range(count):
        noise = rng.normal(20.0, 2.0, (HEIGHT, WIDTH, 3))
        noise[: HEIGHT // 2] = 20.0
        data = (ramp + noise).astype(np.uint8)
        size = {"height": HEIGHT, "width": WIDTH, "step": 3 * WIDTH}
        message = messages.Image(header=header, encoding="rgb8", is_bigendian=0, data=data, **size)
        made.append(bytearray(messages.serialize(message)))
    return made


def camera(endpoint: str, number: str) -> None:
    """One camera: from its first line on stdin, `SECONDS` of images."""
    bus = ZenohBus(f"camera_{number}", endpoint, DOMAIN)
    try:
        publisher = bus.publisher(IMAGE, f"/camera_{number}/image_raw")
        made = images()
        bus.announce()
        print("ready", flush=True)
        # The cameras of a rig are triggered together or not; here they are spread over a period.
        start = time.monotonic() + int(number) / CAMERAS / HZ if sys.stdin.readline() else 0.0
        late = 0
        for k in range(round(SECONDS * HZ)):
            wait = start + k / HZ - time.monotonic()
            late += wait < -0.5 / HZ
            time.sleep(max(0.0, wait))
            payload, now = made[k % len(made)], messages.stamp(1.0 + k / HZ)
            struct.pack_into("<iI", payload, 4, now.sec, now.nanosec)
            publisher.put(payload)
        print(json.dumps({"sent": round(SECONDS * HZ), "late": late, "cpu_s": cpu()}), flush=True)
        sys.stdin.readline()
    finally:
        bus.close()


def cpu(pid: int | str = "self") -> float:
    """User and system time of a process so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(process: subprocess.Popen, line: str = "") -> None:
    process.stdin.write(line + "\n")
    process.stdin.flush()


def row(folder: Path, compression: str) -> dict:
    """One run of all processes."""
    endpoint = free_endpoint()
    bus = ZenohBus("benchmark", None, DOMAIN, listen=endpoint)
    topics = [f"/camera_{n}/image_raw" for n in range(CAMERAS)]
    spec = {
        "exec": "recorder_node",
        "name": "recorder",
        "params": {
            "topics": ["/clock", *(f"{topic} {IMAGE}" for topic in topics)],
            "compression": compression,
        },
        "endpoint": endpoint,
        "domain": DOMAIN,
        "run_folder": str(folder),
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    pipe, python = subprocess.PIPE, [sys.executable, "-P"]
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with (folder / "recorder.log").open("w") as log:
        recorder = subprocess.Popen(
            [*python, "-m", "covary.nodes.run", str(folder / "spec.json")],
            stdout=log,
            stderr=log,
            env=environment,
        )
    options = {"stdin": pipe, "stdout": pipe, "text": True, "env": environment}
    arguments = ["--quick"] if QUICK else []
    cameras = [
        subprocess.Popen([*python, __file__, *arguments, "--camera", endpoint, str(n)], **options)
        for n in range(CAMERAS)
    ]
    try:
        clock = bus.publisher("rosgraph_msgs/msg/Clock", "/clock")
        episode = bus.publisher("covary_msgs/msg/Episode", "/episode")
        wanted = ["/recorder", *(f"/camera_{n}" for n in range(CAMERAS))]
        deadline = time.monotonic() + 60.0
        while not bus.sees(wanted):
            bus.wait(1.0)
            if time.monotonic() > deadline or recorder.poll() is not None:
                raise SystemExit(f"not all came up: {(folder / 'recorder.log').read_text()}")
        for process in cameras:
            process.stdout.readline()
        activate(bus)
        clock.put(messages.serialize(messages.Clock(clock=messages.stamp(1.0))))
        episode.put(messages.serialize(episode_message(1.0, 0)))
        while not list(folder.glob("bags/*.open")) and time.monotonic() < deadline:
            bus.wait(0.1)
        deadline += SECONDS
        before, begin = cpu(recorder.pid), time.monotonic()
        for process in cameras:
            told(process)
        for k in range(round(SECONDS * CLOCK_HZ)):
            time.sleep(max(0.0, begin + k / CLOCK_HZ - time.monotonic()))
            now = messages.stamp(1.0 + k / CLOCK_HZ)
            clock.put(messages.serialize(messages.Clock(clock=now)))
        reports = [json.loads(process.stdout.readline()) for process in cameras]
        used, wall = cpu(recorder.pid) - before, time.monotonic() - begin
        # The bag stays open for its grace: what is on its way gets into it.
        episode.put(messages.serialize(episode_message(1.0 + SECONDS, 1)))
        while not list(folder.glob("bags/*/metadata.yaml")) and time.monotonic() < deadline:
            bus.wait(0.1)
        recorder.terminate()
        recorder.wait(30)
        for process in cameras:
            told(process)
            process.wait(10)
    finally:
        for process in (recorder, *cameras):
            if process.poll() is None:
                process.kill()
        bus.close()
    (bag,) = folder.glob("bags/*/*.mcap")
    with bag.open("rb") as stream:
        channels = make_reader(stream).get_summary()
        counts = channels.statistics.channel_message_counts
        names = {number: channel.topic for number, channel in channels.channels.items()}
    recorded = sum(count for number, count in counts.items() if names[number] in topics)
    sent = sum(report["sent"] for report in reports)
    stats = json.loads((folder / "recorder.json").read_text())
    size = len(images(1)[0])
    found = {"compression": compression, "sent": sent, "recorded": recorded}
    found |= {"dropped": sent - recorded, "counted_by_the_node": stats["dropped"]}
    found |= {"sent_late": sum(report["late"] for report in reports)}
    found |= {"mb_per_s": round(recorded * size / wall / 1e6, 1), "cpu": round(used / wall, 3)}
    found["cpu_s_per_gb"] = round(used / (recorded * size / 1e9), 2)
    found["cpu_of_the_cameras"] = round(sum(report["cpu_s"] for report in reports) / wall, 3)
    found["bag_mb"] = round(bag.stat().st_size / 1e6, 1)
    return found


def activate(bus: ZenohBus) -> None:
    """Make the recorder active, as the supervisor does."""
    change = messages.ChangeState
    transition = messages.LifecycleTransition(id=3, label="activate")
    request = messages.serialize(change.Request(transition=transition))
    reply = bus.call(change.__srvtype__, "/recorder/change_state", request, 5.0)
    assert messages.deserialize(reply, change.Response.__msgtype__).success


def episode_message(time_s: float, phase: int) -> messages.Episode:
    """START (0) or END (1) of the only episode."""
    return messages.Episode(
        header=messages.Header(stamp=messages.stamp(time_s), frame_id="world"),
        index=0,
        seed=0,
        options="{}",
        engine="mujoco",
        dials="{}",
        task="cameras",
        phase=phase,
        success=bool(phase),
        aborted=False,
        cost=0.0,
        duration=SECONDS,
        model="",
        model_sha256="",
    )


def write_alone(folder: Path, made: list[bytes]) -> None:
    """A bare write."""
    with open(folder / "bare", "wb", buffering=0) as stream:
        for k in range(FLOOR_IMAGES):
            stream.write(made[k % len(made)])


def mcap_alone(folder: Path, made: list[bytes]) -> None:
    """The writer of mcap."""
    with open(folder / "alone.mcap", "wb") as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        writer.start("ros2", "benchmark")
        schema = writer.register_schema(IMAGE, "ros2msg", messages.definition(IMAGE).encode())
        channel = writer.register_channel("/camera", "cdr", schema)
        for k in range(FLOOR_IMAGES):
            writer.add_message(channel, k, made[k % len(made)], k, k)
        writer.finish()


def bag_writer_alone(folder: Path, made: list[bytes]) -> None:
    """Our own."""
    writer = BagWriter(folder / "bag")
    for k in range(FLOOR_IMAGES):
        writer.write("/camera", IMAGE, made[k % len(made)], k * 33_000_000, k, k)
    writer.close()


def floors(folder: Path) -> list[dict]:
    """Each way of writing alone, in turns; medians."""
    made = [bytes(payload) for payload in images()]
    ways = {"write": write_alone, "mcap": mcap_alone, "bag_writer": bag_writer_alone}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(FLOOR_ROUNDS):
        for name in list(ways) if number % 2 else list(ways)[::-1]:
            inside = folder / f"{name}_{number}"
            inside.mkdir()
            begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
            ways[name](inside, made)
            after = resource.getrusage(resource.RUSAGE_SELF)
            used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            took[name].append((time.perf_counter() - begin, used))
            shutil.rmtree(inside)
    gigabytes = FLOOR_IMAGES * len(made[0]) / 1e9
    rows = []
    for name, times in took.items():
        wall, used = (statistics.median(column) for column in zip(*times, strict=True))
        rates = {
            "mb_per_s": round(gigabytes * 1e3 / wall),
            "cpu_s_per_gb": round(used / gigabytes, 2),
        }
        rows.append({"way": name} | rates)
    return rows


def main() -> None:
    """Print one JSON object."""
    place = sys.argv[sys.argv.index("--folder") + 1] if "--folder" in sys.argv else None
    rows = []
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for compression in COMPRESSIONS:
            inside = Path(folder) / compression
            inside.mkdir()
            rows.append(row(inside, compression))
            shutil.rmtree(inside)
        alone = floors(Path(folder))
    figures = {"benchmark": "recorder_throughput", "cameras": CAMERAS, "hz": HZ}
    figures["load"] = round(os.getloadavg()[0], 1)
    figures |= {"image": [HEIGHT, WIDTH, 3], "seconds": SECONDS}
    print(json.dumps(figures | {"recorder": rows, "alone": alone}, indent=1))


if __name__ == "__main__":
    if "--camera" in sys.argv:
        camera(*sys.argv[sys.argv.index("--camera") + 1 :])
    else:
        main()
