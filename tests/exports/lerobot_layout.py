"""LeRobotDataset v3.0 as its layout describes it: reads one, holds every file of it to the others.

Written from the layout, not from our writer: nothing of covary is imported here.
"""

import io
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COUNTERS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64",
            "index": "int64", "task_index": "int64"}  # fmt: skip
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
TOLERANCE_S = 1e-4
"""How near a stamp must be, in LeRobot."""
PLACE = "chunk-{chunk_index:03d}/file-{file_index:03d}"


@dataclass
class Read:
    """What was read."""

    info: dict
    tasks: list
    facts: list
    """A row a episode, as meta/episodes has it."""
    episodes: list
    """Feature to rows, an episode each; images decoded."""
    files: list
    """Every data and video file."""


def check(root):
    """Reads a dataset; asserts that it is one."""
    info = json.loads((root / "meta/info.json").read_text())
    check_info(info)
    tasks = read_tasks(root)
    assert info["total_tasks"] == len(tasks)
    facts = read_facts(root, info, tasks)
    tables, files = read_rows(root, info, facts)
    episodes = []
    for fact, table in zip(facts, tables, strict=True):
        episodes.append(check_rows(info, fact, table))
        assert [tasks[i] for i in np.unique(episodes[-1]["task_index"])] == fact["tasks"]
    assert info["total_frames"] == sum(len(e["index"]) for e in episodes)
    for key, feature in info["features"].items():
        if feature["dtype"] == "video":
            files += read_video(root, info, key, facts, episodes)
    check_stats(root, info, facts, episodes)
    unknown = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    unknown -= {path.relative_to(root).as_posix() for path in files}
    assert {name for name in unknown if name.startswith(("data", "videos"))} == set()
    return Read(info, tasks, facts, episodes, files)


def check_info(info):
    assert info["codebase_version"] == "v3.0"
    for name in ("total_episodes", "total_frames", "total_tasks", "chunks_size",
                 "data_files_size_in_mb", "video_files_size_in_mb"):  # fmt: skip
        assert isinstance(info[name], int) and info[name] > 0, name
    assert info["fps"] > 0 and info["splits"] == {"train": f"0:{info['total_episodes']}"}
    assert isinstance(info["robot_type"], str | None)
    assert info["data_path"] == f"data/{PLACE}.parquet"
    features = info["features"]
    videos = [key for key, feature in features.items() if feature["dtype"] == "video"]
    assert info["video_path"] == (f"videos/{{video_key}}/{PLACE}.mp4" if videos else None)
    for key, feature in features.items():
        assert "/" not in key and {"dtype", "shape", "names"} <= set(feature)
        assert all(isinstance(n, int) and n > 0 for n in feature["shape"])
        if feature["dtype"] in ("image", "video"):
            assert len(feature["shape"]) == 3
            assert feature["names"] == ["height", "width", "channels"]
        elif feature["names"] is not None:
            assert [len(feature["names"])] == feature["shape"]
    for name, dtype in COUNTERS.items():
        assert features[name]["dtype"] == dtype and features[name]["shape"] == [1]
    for key in videos:
        height, width, channels = features[key]["shape"]
        assert features[key]["info"] | {
            "video.height": height, "video.width": width, "video.channels": channels,
            "video.fps": info["fps"], "video.pix_fmt": "yuv420p", "video.is_depth_map": False,
        } == features[key]["info"]  # fmt: skip


def read_tasks(root):
    """Texts of the tasks: the index of a pandas table, each with its number."""
    table = pq.read_table(root / "meta/tasks.parquet")
    (index,) = json.loads(table.schema.metadata[b"pandas"])["index_columns"]
    assert table.column("task_index").to_pylist() == list(range(table.num_rows))
    assert set(table.column_names) == {"task_index", index}
    return table.column(index).to_pylist()


def files_of(folder, ending):
    """The numbered files below a folder, in order; no number is missing."""
    files = sorted(folder.glob(f"*/*{ending}"))
    numbers = []
    for file in files:
        pattern = rf"chunk-(\d{{3}})/file-(\d{{3}}){re.escape(ending)}"
        found = re.fullmatch(pattern, file.relative_to(folder).as_posix())
        assert found, file
        numbers.append((int(found[1]), int(found[2])))
    for before, after in zip([(0, -1), *numbers], numbers, strict=False):
        assert after in ((before[0], before[1] + 1), (before[0] + 1, 0))
    return dict(zip(numbers, files, strict=True))


def read_facts(root, info, tasks):
    facts = []
    for (chunk, file), path in files_of(root / "meta/episodes", ".parquet").items():
        for row in pq.read_table(path).to_pylist():
            assert row["meta/episodes/chunk_index"] == chunk
            assert row["meta/episodes/file_index"] == file
            facts.append(row)
    assert [row["episode_index"] for row in facts] == list(range(info["total_episodes"]))
    end = 0
    for row in facts:
        assert row["dataset_from_index"] == end
        end += row["length"]
        assert row["dataset_to_index"] == end and row["length"] > 0
        assert row["tasks"] and set(row["tasks"]) <= set(tasks)
    return facts


def arrow_type(feature):
    if feature["dtype"] == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kind = pa.bool_() if feature["dtype"] == "bool" else getattr(pa, feature["dtype"])()
    assert len(feature["shape"]) == 1
    return kind if feature["shape"] == [1] else pa.list_(kind, feature["shape"][0])


def read_rows(root, info, facts):
    """One table an episode, each from the file that its facts name."""
    files = files_of(root / "data", ".parquet")
    expected = {k: arrow_type(f) for k, f in info["features"].items() if f["dtype"] != "video"}
    tables, left = [], {}
    for where, path in files.items():
        assert path == root / info["data_path"].format(chunk_index=where[0], file_index=where[1])
        table = pq.read_table(path)
        assert {field.name: field.type for field in table.schema} == expected
        told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert set(told) == set(expected)
        left[where] = table
    for fact in facts:
        where = fact["data/chunk_index"], fact["data/file_index"]
        tables.append(left[where].slice(0, fact["length"]))
        left[where] = left[where].slice(fact["length"])
    assert not any(table.num_rows for table in left.values())
    return tables, list(files.values())


def check_rows(info, fact, table):
    """The features of one episode as arrays, counters checked."""
    count, number = fact["length"], fact["episode_index"]
    rows = {}
    for name in table.column_names:
        if info["features"][name]["dtype"] == "image":
            rows[name] = np.stack([picture(item["bytes"]) for item in table[name].to_pylist()])
            assert list(rows[name].shape[1:]) == info["features"][name]["shape"]
        else:
            rows[name] = np.array(table[name].to_pylist(), dtype=info["features"][name]["dtype"])
    first = fact["dataset_from_index"]
    assert np.array_equal(rows["frame_index"], np.arange(count))
    assert np.array_equal(rows["episode_index"], np.full(count, number))
    assert np.array_equal(rows["index"], np.arange(first, first + count))
    assert np.abs(rows["timestamp"] - np.arange(count) / info["fps"]).max() < TOLERANCE_S
    return rows


def picture(data):
    """An image file's pixels. (H, W, C)"""
    pixels = np.array(Image.open(io.BytesIO(data)))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def read_video(root, info, key, facts, episodes):
    """Puts into every episode the frame at each of its stamps."""
    files = files_of(root / "videos" / key, ".mp4")
    pictures, ends = {}, {where: 0.0 for where in files}
    for (chunk, file), path in files.items():
        template = info["video_path"].format(video_key=key, chunk_index=chunk, file_index=file)
        assert path == root / template
        pictures[chunk, file] = decode(path, info["features"][key])
    for fact, episode in zip(facts, episodes, strict=True):
        told = {name: fact[f"videos/{key}/{name}"] for name in
                ("chunk_index", "file_index", "from_timestamp", "to_timestamp")}  # fmt: skip
        where = told["chunk_index"], told["file_index"]
        assert abs(told["from_timestamp"] - ends[where]) < 1e-6
        ends[where] = told["to_timestamp"]
        length = told["to_timestamp"] - told["from_timestamp"]
        assert abs(length - fact["length"] / info["fps"]) < 1e-6
        stamps, frames = pictures[where]
        # As a reader does: float32 stamps, the nearest frame, which must be near enough.
        wanted = told["from_timestamp"] + episode["timestamp"].astype(np.float64)
        at = np.abs(stamps[None] - wanted[:, None]).argmin(axis=1)
        assert np.abs(stamps[at] - wanted).max() < TOLERANCE_S
        assert len(set(at.tolist())) == len(at)
        episode[key] = frames[at]
    for where, end in ends.items():
        assert abs(len(pictures[where][0]) / info["fps"] - end) < 1e-6
    return list(files.values())


def decode(path, feature):
    """Stamps (s) and frames of a file, in the order they are shown."""
    stamps, frames = [], []
    with av.open(str(path)) as container:
        assert len(container.streams) == 1
        stream = container.streams.video[0]
        assert stream.codec.canonical_name == feature["info"]["video.codec"]
        assert [stream.height, stream.width] == feature["shape"][:2]
        assert stream.pix_fmt == "yuv420p" and stream.average_rate == feature["info"]["video.fps"]
        for frame in container.decode(stream):
            stamps.append(float(frame.pts * stream.time_base))
            frames.append(frame.to_ndarray(format="rgb24"))
    assert stamps[0] == 0.0 and np.all(np.diff(stamps) > 0)
    return np.array(stamps), np.stack(frames)


def frame_at(path, stamp):
    """One frame by its stamp (s), found as a player finds it: from the key frame before."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        target = round(Fraction(stamp).limit_denominator(10**6) / stream.time_base)
        container.seek(target, stream=stream)
        for frame in container.decode(stream):
            if frame.pts >= target:
                assert abs(float(frame.pts * stream.time_base) - stamp) < TOLERANCE_S
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"no frame at {stamp} s")


def statistics(rows, feature):
    """What the statistics of rows must be."""
    if feature["dtype"] in ("image", "video"):
        count, channels = len(rows), rows.shape[-1]
        flat = rows.reshape(-1, channels).astype(np.float64)
        flat = flat / 255 if rows.dtype == np.uint8 else flat
        shape = (channels, 1, 1)
    else:
        count, flat, shape = len(rows), rows.reshape(len(rows), -1).astype(np.float64), (-1,)
    found = {"min": flat.min(0), "max": flat.max(0), "mean": flat.mean(0), "std": flat.std(0)}
    found |= {name: np.quantile(flat, q, axis=0) for name, q in QUANTILES.items()}
    return {name: value.reshape(shape) for name, value in found.items()} | {"count": [count]}


def check_stats(root, info, facts, episodes):
    """Each episode's from its rows; the whole's from all rows, its quantiles by LeRobot's rule."""
    whole = json.loads((root / "meta/stats.json").read_text())
    assert set(whole) == set(info["features"])
    for key, feature in info["features"].items():
        # A video is not exactly what was filmed, and its statistics are of that.
        near = 0.03 if feature["dtype"] == "video" else 1e-6
        told = []
        for fact, episode in zip(facts, episodes, strict=True):
            told.append({})
            for name, value in statistics(episode[key], feature).items():
                stated = np.array(fact[f"stats/{key}/{name}"], dtype=np.float64)
                assert stated.shape == np.shape(value), (key, name)
                # The extremes of a video ring at edges; its mean does not.
                wide = 0.5 if near > 0.01 and name not in ("mean", "std") else near
                assert np.allclose(stated, value, rtol=near, atol=wide), (key, name)
                told[-1][name] = stated
        expected = statistics(np.concatenate([episode[key] for episode in episodes]), feature)
        counts = np.array([t["count"][0] for t in told])
        for name, value in expected.items():
            each = [t[name] for t in told]
            if name in QUANTILES or (near > 0.01 and name == "mean"):
                value = np.average(each, axis=0, weights=counts)
            elif near > 0.01 and name == "std":
                continue  # asserted where there is no video
            elif near > 0.01 and name in ("min", "max"):
                value = getattr(np, name)(each, axis=0)
            elif name == "count":
                value = np.sum(each, axis=0)
            stated = np.array(whole[key][name], dtype=np.float64)
            assert stated.shape == np.shape(value), (key, name)
            assert np.allclose(stated, value, rtol=1e-6, atol=1e-6), (key, name)


def folder_size(root):
    """Bytes below a folder."""
    return sum(file.stat().st_size for file in Path(root).rglob("*") if file.is_file())
