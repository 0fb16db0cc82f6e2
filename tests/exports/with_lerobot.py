"""Runs where `lerobot` is installed and covary is not: opens datasets, compares every array.

    python with_lerobot.py FOLDER...

Each folder holds `dataset/` and, for each episode, `expected_<k>.npz`: what the bag held, by
feature. Exit code 0: all agree; 1: the first difference is told.
"""

import inspect
import sys
from pathlib import Path

import lerobot
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

PSNR_DB = 35.0


def backends():
    """Video decoders that work here."""
    try:
        from torchcodec.decoders import VideoDecoder  # noqa: F401
    except Exception:
        print("  torchcodec does not load here (it needs FFmpeg's libraries): pyav only")
        return ["pyav"]
    return ["pyav", "torchcodec"]


def opened(root, **options):
    """The dataset, from the disk alone."""
    if "depth_output_unit" in inspect.signature(LeRobotDataset.__init__).parameters:
        options["depth_output_unit"] = "m"  # the unit that we store
    return LeRobotDataset("covary/verified", root=root, **options)


def check(folder, backend):
    """Compares a dataset with what was recorded."""
    root = folder / "dataset"
    expected = [dict(np.load(folder / f"expected_{k}.npz", allow_pickle=False))
                for k in range(len(list(folder.glob("expected_*.npz"))))]  # fmt: skip
    dataset = opened(root, video_backend=backend)
    lengths = [len(episode["action"]) for episode in expected]
    equal(dataset.num_episodes, len(expected), "number of episodes")
    equal(len(dataset), sum(lengths), "number of rows")
    features, lowest, row = dataset.meta.features, np.inf, 0
    known = {"task", *features}
    for k, episode in enumerate(expected):
        for t in range(lengths[k]):
            item = dataset[row]
            equal(set(item) - known, set(), "unknown keys")
            for name, values in episode.items():
                found = item[name].numpy()
                where = f"{name}, episode {k}, row {t}"
                kind = features[name]["dtype"]
                if kind in ("image", "video"):
                    found = found.transpose(1, 2, 0)
                    if values.dtype == np.uint8:
                        found = np.round(found * 255).astype(np.uint8)
                if kind == "video":
                    error = np.mean((found.astype(float) - values[t].astype(float)) ** 2)
                    lowest = min(lowest, 10 * np.log10(255**2 / error))
                    if lowest < PSNR_DB:
                        raise AssertionError(f"{where}: {lowest:.1f} dB")
                elif found.dtype.kind == "f":
                    wanted = values[t].astype(np.float32)
                    equal(found.dtype, np.float32, where)
                    equal(found.reshape(-1).view(np.uint32).tolist(),
                          wanted.reshape(-1).view(np.uint32).tolist(), where)  # fmt: skip
                else:
                    equal(found.tolist(), values[t].tolist(), where)
            equal(int(item["episode_index"]), k, "episode_index")
            equal(int(item["frame_index"]), t, "frame_index")
            row += 1
    # As a learner reads: the images before, the actions to come; and one episode alone.
    step, last = 1 / dataset.fps, len(expected) - 1
    cameras = [name for name in dataset.meta.camera_keys if name in expected[last]]
    deltas = {"action": [0.0, step, 2 * step], **{name: [-step, 0.0] for name in cameras}}
    chunks = opened(root, video_backend=backend, delta_timestamps=deltas, episodes=[last])
    equal(len(chunks), lengths[last], "rows of one episode")
    item = chunks[1]
    wanted = expected[last]["action"][np.minimum([1, 2, 3], lengths[last] - 1)]
    equal(item["action"].numpy().tolist(), wanted.astype(np.float32).tolist(), "actions to come")
    for name in cameras:
        equal(len(item[name]), 2, f"images of {name}")
    for name in expected[0]:
        stats = dataset.meta.stats[name]
        if features[name]["dtype"] == "float32":
            rows = np.concatenate([episode[name] for episode in expected]).astype(np.float32)
            mean = rows.astype(np.float64).reshape(len(rows), -1).mean(axis=0)
            if not np.allclose(stats["mean"], mean, atol=1e-6):
                raise AssertionError(f"mean of {name}: {stats['mean']}, not {mean}")
    return dataset, lowest


def equal(found, expected, what):
    """Raises where two things differ."""
    if found != expected:
        raise AssertionError(f"{what}: {found}, not {expected}")


def main():
    """Checks every folder with every decoder."""
    print(f"lerobot {lerobot.__version__}, Python {sys.version.split()[0]}")
    decoders = backends()
    for folder in map(Path, sys.argv[1:]):
        videos = any((folder / "dataset").glob("videos/*/*/*.mp4"))
        for backend in decoders if videos else decoders[:1]:
            dataset, lowest = check(folder, backend)
            seen = f", {backend}: at least {lowest:.1f} dB" if videos else ""
            print(f"  {folder.name}: {dataset.num_episodes} episodes, {len(dataset)} rows, "
                  f"{len(dataset.meta.features)} features agree{seen}")  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except AssertionError as difference:
        print(f"DIFFERS: {difference}")
        sys.exit(1)
