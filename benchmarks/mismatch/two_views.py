"""Two views: by how many eighths of a turn were three coloured things turned between two images?

After Wang et al., "Surprising Effectiveness of Equivariant Models in Domains with Latent Symmetry"
(ICLR 2023), section 5. Three chiral things, yellow, orange and grey, lie about a table's middle; in
the second image all have been turned about it by k eighths, and k is the label. The group C4 turns
the images. Seen from straight above that is what turning the scene does, and the label stays
(correct). Of a camera that is tilted a turned image is none that occurs (extrinsic). With inverted
labels, k is told as 8 - k wherever yellow lies left of orange in the first image; from straight
above that is incorrect, and no invariant classifier tells more than 62.5 %: k is 0 or 4 in a
quarter of the images, and of the others' orbits half tell k and half 8 - k.

The images are drawn by points of the things' surfaces, of which the nearest to the camera is seen.
"""

from __future__ import annotations

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known, unmoved
from covary.symmetry.group import cyclic
from covary.symmetry.pixels import pixel_sources

LABELS = 8
SIDE = 64
EXTENT = 0.44
"""Side of the image, m."""
ROOM, APART = 0.14, 0.10
"""Largest distance of a thing from the middle, least between two of them, m."""
COLOURS = np.array([[0.95, 0.85, 0.1], [0.95, 0.45, 0.1], [0.5, 0.5, 0.55]])
BOXES = (
    (-0.030, -0.030, 0.060, 0.020, 0.030),
    (-0.030, -0.010, 0.020, 0.040, 0.050),
    (0.010, -0.045, 0.020, 0.015, 0.015),
)
"""Of each thing: corner x, y, sides, height, m. No mirror brings it onto itself."""
SIDES_SHADE = 0.6
"""Brightness of upright faces, that of level ones being 1."""


def two_views(seed: int, n: int, tilt: float = 0.0, inverted: bool = False) -> Known:
    """Draw scenes and look at them twice.

    `x` holds both images, (2, 3, 64, 64) row by row, from 0 to 1. What occurs is not told: of
    images it would be a recognition task. `scenes` draws the same with their states.

    Args:
        seed: Of what is drawn.
        n: Pairs of images.
        tilt: Of the camera, towards -y, deg; 0: from straight above.
        inverted: Whether labels are inverted where yellow lies left of orange.
    """
    state, y = scenes(seed, n, inverted)
    images = np.empty((n, 2, 3, SIDE, SIDE), np.float32)  # of thousands of pairs gigabytes
    for pair, (scene, k) in zip(images, state, strict=True):
        pair[0], pair[1] = image(scene, tilt), image(scene, tilt, k)
    group = cyclic(4)
    sources = pixel_sources(group, SIDE)

    def move(g: int, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1, SIDE * SIDE)[:, :, sources[g]].reshape(x.shape)

    tilted = abs(tilt) > 0.0
    degrees = Degrees(0.0, 0.0, 1.0) if tilted else known_degrees(inverted)
    return Known(
        name=f"two views, tilt {tilt:g} deg" + (", inverted labels" if inverted else ""),
        group=group,
        x=images.reshape(n, -1),
        y=y,
        move=move,
        answer=unmoved,
        degrees=degrees,
        floor=0.375 if inverted and not tilted else 0.0,
        units=(tuple(range(images[0].size)),),
    )


def two_states(seed: int, n: int, inverted: bool = False) -> Known:
    """The same scenes as numbers: where the things lie, how they are turned, and k as a direction.

    This is what an encoder that sees the scene from straight above would tell. `x` holds the three
    places (m), three yaws as cosine and sine, and those of k eighths of a turn; the group turns all
    but the last.
    """
    drawn, y = scenes(seed, n, inverted)
    eighths = 0.25 * np.pi * np.array([k for _, k in drawn])
    rows = [[*s[:, :2].ravel(), *np.stack([np.cos(s[:, 2]), np.sin(s[:, 2])], -1).ravel()]
            for s, _ in drawn]  # fmt: skip
    x = np.column_stack([np.array(rows), np.cos(eighths), np.sin(eighths)])
    group = cyclic(4)

    def move(g: int, x: np.ndarray) -> np.ndarray:
        there = x.copy()
        there[:, :12] = (x[:, :12].reshape(-1, 6, 2) @ group.plane[g].T).reshape(-1, 12)
        return there

    def truth(x: np.ndarray) -> np.ndarray:
        k = np.round(np.arctan2(x[:, 13], x[:, 12]) / (0.25 * np.pi)).astype(int) % LABELS
        return np.where(inverted & (x[:, 0] < x[:, 2]), -k % LABELS, k)

    return Known(
        name="states of two views" + (", inverted labels" if inverted else ""),
        group=group,
        x=x,
        y=y,
        move=move,
        answer=unmoved,
        degrees=known_degrees(inverted),
        floor=0.375 if inverted else 0.0,
        occurs=lambda x: np.hypot(x[:, 0:6:2], x[:, 1:6:2]).max(1) <= ROOM + 1e-9,
        truth=truth,
        units=(tuple(range(6)), tuple(range(6, 12)), (12, 13)),
    )


def known_degrees(inverted: bool) -> Degrees:
    """From straight above. With inverted labels, of the three turns of the image one leaves yellow
    on its side of orange and two do not, which matters to all k but 0 and 4."""  # noqa: D205, D209
    return Degrees(0.25 + 0.75 / 3, 0.5, 0.0) if inverted else Degrees(1.0, 0.0, 0.0)


def scenes(seed: int, n: int, inverted: bool) -> tuple[list[tuple[np.ndarray, int]], np.ndarray]:
    """Where the three things lie (3, 3: x, y, yaw) with k, and the labels."""
    rng = np.random.default_rng(seed)
    drawn, labels = [], []
    for _ in range(n):
        while True:
            direction, away = rng.uniform(-np.pi, np.pi, 3), ROOM * np.sqrt(rng.uniform(size=3))
            at = away[:, None] * np.stack([np.cos(direction), np.sin(direction)], -1)
            if min(np.linalg.norm(at[i] - at[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > APART:
                break
        k = int(rng.integers(LABELS))
        drawn.append((np.column_stack([at, rng.uniform(-np.pi, np.pi, 3)]), k))
        labels.append(-k % LABELS if inverted and at[0, 0] < at[1, 0] else k)
    return drawn, np.array(labels)


def image(scene: np.ndarray, tilt: float, eighths: int = 0) -> np.ndarray:
    """A scene as it is seen after a turn about the middle. (3, 3) -> (3, 64, 64)"""
    points = []
    for x, y, yaw in scene:
        turned = SURFACE[:, :2] @ _turn(yaw).T + (x, y)
        points.append(np.column_stack([turned @ _turn(0.25 * np.pi * eighths).T, SURFACE[:, 2]]))
    at = np.concatenate(points)
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    up, near = c * at[:, 1] + s * at[:, 2], c * at[:, 2] - s * at[:, 1]
    column = np.floor((at[:, 0] / EXTENT + 0.5) * SIDE).astype(int)
    row = np.floor((0.5 - up / EXTENT) * SIDE).astype(int)
    shown = np.ones((3, SIDE, SIDE))
    kept = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    order = np.argsort(near[kept], kind="stable")  # the nearest is drawn last
    colours = np.repeat(COLOURS, len(SURFACE), axis=0) * np.tile(SHADE, 3)[:, None]
    shown[:, row[kept][order], column[kept][order]] = colours[kept][order].T
    return shown


def _turn(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def _surface(step: float = 0.0045) -> tuple[np.ndarray, np.ndarray]:
    """Points of a thing's faces (P, 3), m, and how bright each is (P,)."""
    points, shade = [], []
    for x, y, wide, deep, high in BOXES:
        u, v = (np.linspace(0.0, 1.0, round(size / step) + 1) for size in (wide, deep))
        top = np.stack(np.meshgrid(x + wide * u, y + deep * v), -1).reshape(-1, 2)
        points.append(np.column_stack([top, np.full(len(top), high)]))
        shade.append(np.ones(len(top)))
        edges = [np.column_stack([x + wide * u, np.full(len(u), end)]) for end in (y, y + deep)]
        edges += [np.column_stack([np.full(len(v), end), y + deep * v]) for end in (x, x + wide)]
        # Below the top's edge, which is seen first from above.
        for z in np.arange(0.0, high - 0.5 * step, step):
            for edge in edges:
                points.append(np.column_stack([edge, np.full(len(edge), z)]))
                shade.append(np.full(len(edge), SIDES_SHADE))
    return np.concatenate(points), np.concatenate(shade)


SURFACE, SHADE = _surface()
