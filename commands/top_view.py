"""Draws episodes from above as SVG that any browser shows: one that moves, or many side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from ..sim.silhouette import Disc, Outline, Rod, Scene, Shape, Silhouette

_INK, _GREY, _RULE = "#1f2328", "#656d76", "#d8dce0"
_RESULTS = {"success": "#1a7f37", "failure": "#b35900", "aborted": "#cf222e"}
_DASHES = "stroke-dasharray='4 3'"
_DOTS = "stroke-dasharray='0.5 3.5' stroke-linecap='round' stroke-width='1.6'"
_GOAL_DASHES = "stroke-dasharray='5 3' stroke-width='1.3'"
_STILL = 0.5
"""Opacity of what stands still: it must not outshout what moves."""
_END = "text-anchor='end'"
_GRIDS = ((20, 5, 210.0), (30, 6, 180.0), (math.inf, 8, 150.0))
"""Up to how many episodes: columns of an overview, and longest side of a tile, px."""
_PAUSE_S = 1.0
"""How long the end stands still before the animation begins again, s."""
_MARGIN = 24.0
"""Around the picture, px."""
_TILES_POINTS = 12_000
"""Points of all paths of an overview together; more would make a file for nobody's eyes."""


@dataclass(frozen=True)
class Episode:
    """A recorded episode as it is drawn."""

    name: str
    """The bag's."""
    task: str
    """Its name."""
    seed: str
    """As the bag states it."""
    result: str
    """success, failure, aborted, or nothing when the bag does not say."""
    duration: float
    """s, simulated"""
    cost: float | None
    """Cost of the episode, None when the bag does not say."""
    launch: str
    """The command that made it."""
    time: np.ndarray
    """(T,), s since its start."""
    scene: Scene
    """Bodies in those T states."""

    @property
    def outcome(self) -> str:
        """How it ended, for people."""
        words = f"{self.result} after" if self.result else "lasted"
        cost = "" if self.cost is None else f", cost {self.cost:.2f}"
        return f"{words} {self.duration:.2f} s{cost}"

    @property
    def label(self) -> str:
        """Its number, as bags are called that."""
        number = self.name.removeprefix("episode_")
        return f"episode {int(number)}" if number.isdigit() else self.name


@dataclass(frozen=True)
class _View:
    """A part of the world (m) on a part of the page (px)."""

    low: np.ndarray
    high: np.ndarray
    left: float
    top: float
    scale: float
    """px/m"""

    @property
    def size(self) -> tuple[float, float]:
        width, height = (self.high - self.low) * self.scale
        return float(width), float(height)

    def px(self, points: np.ndarray) -> np.ndarray:
        """The world's y goes up, the page's down. (..., 2), m -> px"""
        x = self.left + (points[..., 0] - self.low[0]) * self.scale
        return np.stack([x, self.top + (self.high[1] - points[..., 1]) * self.scale], -1)


def animation(episode: Episode) -> str:
    """One episode that moves, again and again, in the time that it took.

    Where nothing moves (a converter to PNG, say) it shows the end of the episode.
    """
    low, high = _bounds([episode])
    scale = min(680 / (high[0] - low[0]), 520 / (high[1] - low[1]))
    view = _View(low, high, _MARGIN, 78, scale)
    wide, tall = view.size
    width, bottom = max(wide, 420) + 2 * _MARGIN, 78 + tall
    seed = f", seed {episode.seed}" if episode.seed else ""
    title = f"{episode.task}{seed}, {episode.label}"
    parts = [
        _text(_MARGIN, 36, title, 20, _INK, "font-weight='600'"),
        _mark(_MARGIN + 7, 57, episode.result),
        _text(_MARGIN + (20 if episode.result else 0), 62, episode.outcome, 14, _GREY),
        *_panel(view, episode, "panel", episode.time),
        *_scale_bar(view, bottom + 24),
        *_legend(width - _MARGIN, bottom + 24, episode, moves=True),
        *_clock(_MARGIN, width - _MARGIN, bottom + 54, episode),
    ]
    return _page(width, bottom + 84, f"{title}: {episode.outcome}", episode.launch, parts)


def overview(title: str, episodes: Sequence[Episode]) -> str:
    """All episodes at one scale: where things went and how it ended."""
    low, high = _bounds(episodes)
    columns, tile = next(fit for most, *fit in _GRIDS if len(episodes) <= most)
    columns = min(columns, len(episodes))
    scale = min(tile / (high[0] - low[0]), tile / (high[1] - low[1]))
    gap, head = 14.0, 26.0
    wide, tall = (high - low) * scale
    successes = sum(episode.result == "success" for episode in episodes)
    parts = [
        _text(_MARGIN, 36, title, 20, _INK, "font-weight='600'"),
        _text(_MARGIN, 60, f"{successes} of {len(episodes)} succeeded", 14, _GREY),
    ]
    keep = max(12, _TILES_POINTS // sum(len(_movers(e)) or 1 for e in episodes))
    left = top = 0.0
    for k, episode in enumerate(episodes):
        left = _MARGIN + (k % columns) * (wide + gap)
        top = 76 + (k // columns) * (tall + head + gap) + head
        parts += [
            f"<g><title>{escape(f'{episode.label}: {episode.outcome}')}</title>",
            _mark(left + 6, top - 12, episode.result),
            _text(left + 17, top - 7, episode.label, 12, _INK),
            _text(left + wide, top - 7, f"{episode.duration:.2f} s", 12, _GREY, _END),
            *_panel(_View(low, high, left, top, scale), episode, f"tile{k}", None, keep),
            "</g>",
        ]
    width = max(columns * (wide + gap) - gap, 420) + 2 * _MARGIN
    bottom = top + tall
    view = _View(low, high, _MARGIN, top, scale)
    parts += _scale_bar(view, bottom + 26)
    parts += _legend(width - _MARGIN, bottom + 26, episodes[0], moves=False)
    return _page(width, bottom + 52, title, episodes[0].launch, parts)


def _bounds(episodes: Iterable[Episode]) -> tuple[np.ndarray, np.ndarray]:
    """What moves, the goals, and what stands close to them. (2,), (2,), m"""
    silhouettes = [s for episode in episodes for s in episode.scene.silhouettes]
    lively = [s.bound() for s in silhouettes if s.mark or s.moves]
    boxes = np.stack(lively or [s.bound() for s in silhouettes] or [np.array([[-1, -1], [1, 1]])])
    low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
    room = 0.15 * (high - low).max()
    for silhouette in silhouettes:  # a wall beside the path is seen, the far end of a hall is not
        near, far = silhouette.bound()
        if (far > low - room).all() and (near < high + room).all():
            low, high = (
                np.minimum(low, np.maximum(near, low - room)),
                np.maximum(high, np.minimum(far, high + room)),
            )
    margin = 0.06 * (high - low).max() + 1e-3
    low, high = low - margin, high + margin
    # Neither a corridor nor a dot: no side is shorter than half the other.
    short = np.maximum(0.5 * (high - low).max() - (high - low), 0) / 2
    return low - short, high + short


def _panel(
    view: _View, episode: Episode, name: str, time: np.ndarray | None, keep: int = 600
) -> list[str]:
    """Floor, what stands, goals, ghosts, paths, and what moves (where a time is given)."""
    (wide, tall), scene = view.size, episode.scene
    frame = f"x='{_n(view.left)}' y='{_n(view.top)}' width='{_n(wide)}' height='{_n(tall)}' rx='4'"
    parts = [f"<clipPath id='{name}'><rect {frame}/></clipPath>", f"<g clip-path='url(#{name})'>"]
    if scene.floor is not None:
        parts.append(f"<rect class='floor' {frame} fill='{_hex(scene.floor)}' fill-opacity='0.3'/>")
    movers = _movers(episode)
    for silhouette in scene.silhouettes:
        if silhouette not in movers:
            parts += _body(view, silhouette, episode, time if silhouette.mark else None)
    for silhouette in movers:
        if time is not None:
            parts += _ghost(view, silhouette, -1, _DOTS)
        parts += _ghost(view, silhouette, 0, _DASHES)
    for silhouette in movers:
        if np.ptp(silhouette.path, axis=0).max() * view.scale > 1:
            parts.append(_path(view, silhouette, keep))
    for silhouette in movers:
        parts += _body(view, silhouette, episode, time)
    for silhouette in scene.silhouettes:
        if silhouette.mark:  # how well does the thing on it fit
            motion = _motion(view, silhouette, time, episode.duration)
            parts += _ghost(view, silhouette, -1, _GOAL_DASHES, motion)
    parts += ["</g>", f"<rect {frame} fill='none' stroke='{_RULE}'/>"]
    return parts


def _movers(episode: Episode) -> list[Silhouette]:
    return [silhouette for silhouette in episode.scene.silhouettes if silhouette.moves]


def _body(
    view: _View, silhouette: Silhouette, episode: Episode, time: np.ndarray | None
) -> list[str]:
    """A body in its last state; with a time it moves."""
    kind = "goal" if silhouette.mark else "moving" if silhouette.moves else "still"
    x, y = view.px(silhouette.pose[-1, :2])
    turn = -math.degrees(silhouette.pose[-1, 2])
    parts = [
        f"<g class='{kind}' transform='translate({_n(x)} {_n(y)}) rotate({_n(turn)})'>",
        f"<title>{escape(silhouette.name)}</title>",
    ]
    parts += _motion(view, silhouette, time, episode.duration)
    for shape, colour in silhouette.shapes:
        edge = _hex(colour * [0.65, 0.65, 0.65, 1])
        if isinstance(shape, Rod):
            # A stroke has no edge of its own: a darker one underneath stands out by a pixel.
            parts.append(_drawn(shape, view.scale, f"stroke='{edge}'", extra=1.5))
            parts.append(_drawn(shape, view.scale, f"stroke='{_hex(colour)}'", extra=-1.0))
            continue
        style = f"fill='{_hex(colour)}' stroke='{edge}'"
        if silhouette.mark:
            style = f"fill='{_hex(colour)}'"  # its outline is drawn above what stands on it
        opacity = colour[3] * (_STILL if kind == "still" else 1)
        if opacity < 1:
            style += f" fill-opacity='{opacity:.2g}'"
        parts.append(_drawn(shape, view.scale, style))
    return [*parts, "</g>"]


def _motion(
    view: _View, silhouette: Silhouette, time: np.ndarray | None, duration: float
) -> list[str]:
    """Two transforms, one after the other, over the episode and a pause; none if it stays."""
    if time is None or np.ptp(silhouette.pose, axis=0).max() < 1e-4:
        return []
    whole = max(duration, float(time[-1])) + _PAUSE_S
    keys = ";".join([*(f"{t / whole:.4f}" for t in time), "1"])
    keys = "0;" + keys if time[0] > 0 else keys.replace("0.0000", "0", 1)
    rows = np.arange(len(time) + (time[0] > 0) + 1) - (time[0] > 0)
    rows = np.clip(rows, 0, len(time) - 1)
    middle, turn = view.px(silhouette.pose[rows, :2]), -np.degrees(silhouette.pose[rows, 2])
    places = ";".join(f"{_n(x)} {_n(y)}" for x, y in middle)
    turns = ";".join(_n(value) for value in turn)
    clock = f"dur='{whole:.3f}s' repeatCount='indefinite' keyTimes='{keys}'"
    move = "animateTransform attributeName='transform'"
    return [
        f"<{move} type='translate' {clock} values='{places}'/>",
        f"<{move} type='rotate' additive='sum' {clock} values='{turns}'/>",
    ]


def _ghost(
    view: _View, silhouette: Silhouette, row: int, dash: str, motion: Iterable[str] = ()
) -> list[str]:
    """Its outline in one state."""
    x, y = view.px(silhouette.pose[row, :2])
    turn = -math.degrees(silhouette.pose[row, 2])
    parts = [f"<g class='ghost' transform='translate({_n(x)} {_n(y)}) rotate({_n(turn)})'>"]
    parts += motion
    for shape, colour in silhouette.shapes[:1]:
        if isinstance(shape, Rod):
            shape = Outline(_rim(shape))
        style = f"fill='none' stroke='{_hex(colour * [0.75, 0.75, 0.75, 1])}' {dash}"
        parts.append(_drawn(shape, view.scale, style))
    return [*parts, "</g>"]


def _rim(rod: Rod) -> np.ndarray:
    """The outline of a rod. (26, 2), m"""
    along = rod.ends[1] - rod.ends[0]
    angle = math.atan2(along[1], along[0]) + np.linspace(-np.pi / 2, np.pi / 2, 13)
    cap = rod.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.concatenate([rod.ends[1] + cap, rod.ends[0] - cap])


def _path(view: _View, silhouette: Silhouette, keep: int) -> str:
    rows = np.unique(np.linspace(0, len(silhouette.path) - 1, keep).round().astype(int))
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in view.px(silhouette.path[rows]))
    colour = _hex(silhouette.shapes[0][1] * [0.8, 0.8, 0.8, 1])
    return (
        f"<polyline class='path' points='{points}' fill='none' stroke='{colour}' "
        "stroke-width='1.3' stroke-opacity='0.8' stroke-linejoin='round'/>"
    )


def _drawn(shape: Shape, scale: float, style: str, extra: float = 0.0) -> str:
    """A shape in px in the frame of its body."""
    flip = np.array([scale, -scale])
    if isinstance(shape, Disc):
        x, y = shape.centre * flip
        return f"<circle cx='{_n(x)}' cy='{_n(y)}' r='{_n(shape.radius * scale)}' {style}/>"
    if isinstance(shape, Rod):
        (x1, y1), (x2, y2) = shape.ends * flip
        width = 2 * shape.radius * scale + extra
        return (
            f"<line x1='{_n(x1)}' y1='{_n(y1)}' x2='{_n(x2)}' y2='{_n(y2)}' "
            f"stroke-width='{_n(width)}' stroke-linecap='round' {style}/>"
        )
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.corners * flip)
    return f"<polygon points='{points}' {style}/>"


def _scale_bar(view: _View, y: float) -> list[str]:
    """A bar of 1, 2 or 5 times a power of ten metres, about a quarter as wide as the view."""
    wanted = view.size[0] / view.scale / 4
    power = 10.0 ** math.floor(math.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted * 1.001)
    x0, x1 = view.left, view.left + length * view.scale
    bar = f"M{_n(x0)} {_n(y - 4)}v8M{_n(x0)} {_n(y)}H{_n(x1)}M{_n(x1)} {_n(y - 4)}v8"
    label = _text(x1 + 8, y + 4, f"{length:g} m", 12, _GREY)
    return [f"<path class='scale' d='{bar}' stroke='{_INK}' stroke-width='1.5'/>", label]


def _legend(right: float, y: float, episode: Episode, moves: bool) -> list[str]:
    """What the outlines and lines mean, written from the right edge."""
    entries = [("path", f"stroke='{_INK}' stroke-width='1.3'")]
    entries.append(("start", f"stroke='{_INK}' {_DASHES}"))
    if moves:
        entries.append(("end", f"stroke='{_INK}' {_DOTS}"))
    marks = [s for s in episode.scene.silhouettes if s.mark]
    if marks:
        colour = _hex(marks[0].shapes[0][1])
        entries.append(("goal", f"stroke='{colour}' stroke-width='6' stroke-opacity='0.5'"))
    parts, x = [], right
    for word, style in entries[::-1]:
        x -= 7.0 * len(word)
        parts.append(_text(x, y + 4, word, 12, _GREY))
        parts.append(f"<path d='M{_n(x - 26)} {_n(y)}h20' {style}/>")
        x -= 44
    return parts


def _clock(left: float, right: float, y: float, episode: Episode) -> list[str]:
    """A line with a tick each second, on which a dot goes."""
    end = f"{episode.duration:.2f} s"
    x0, x1 = left + 32, right - 7.0 * len(end) - 8
    parts = [
        _text(left, y + 4, "0 s", 12, _GREY),
        _text(right, y + 4, end, 12, _GREY, _END),
        f"<path d='M{_n(x0)} {_n(y)}H{_n(x1)}' stroke='{_RULE}' stroke-width='2'/>",
    ]
    every = next(s for s in (1, 5, 10, 60, 600, 10**9) if episode.duration / s <= 40)
    for tick in np.arange(0, episode.duration + 1e-9, every):
        x = x0 + (x1 - x0) * tick / max(episode.duration, 1e-9)
        parts.append(f"<path d='M{_n(x)} {_n(y - 3)}v6' stroke='{_GREY}'/>")
    whole = max(episode.duration, float(episode.time[-1])) + _PAUSE_S
    parts.append(
        f"<circle class='clock' cx='{_n(x1)}' cy='{_n(y)}' r='5' fill='{_INK}'>"
        f"<animate attributeName='cx' dur='{whole:.3f}s' repeatCount='indefinite' "
        f"keyTimes='0;{episode.duration / whole:.4f};1' values='{_n(x0)};{_n(x1)};{_n(x1)}'/>"
        "</circle>"
    )
    return parts


def _mark(x: float, y: float, result: str) -> str:
    """A tick, a cross or a bar; drawn, as not every font has them."""
    lines = {"success": "M-5 0l4 4 7-9", "failure": "M-4-4l8 8m0-8l-8 8", "aborted": "M-5 0h10"}
    if result not in lines:
        return ""
    return (
        f"<path class='{result}' transform='translate({_n(x)} {_n(y)})' d='{lines[result]}' "
        f"fill='none' stroke='{_RESULTS[result]}' stroke-width='2.4' stroke-linecap='round'/>"
    )


def _text(x: float, y: float, words: str, size: int, colour: str, more: str = "") -> str:
    where = f"x='{_n(x)}' y='{_n(y)}'"
    return f"<text {where} font-size='{size}' fill='{colour}' {more}>{escape(words)}</text>"


def _page(width: float, height: float, title: str, description: str, parts: Iterable[str]) -> str:
    size = f"width='{width:.0f}' height='{height:.0f}' viewBox='0 0 {width:.0f} {height:.0f}'"
    fonts = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} {fonts}>",
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            "<rect width='100%' height='100%' fill='#ffffff'/>",
            *(part for part in parts if part),
            "</svg>\n",
        ]
    )


def _hex(colour: np.ndarray) -> str:
    red, green, blue = (round(255 * float(np.clip(c, 0, 1))) for c in colour[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _n(value: float) -> str:
    """A number as short as a hundredth of a pixel allows."""
    return f"{round(float(value), 2) + 0.0:.2f}".rstrip("0").rstrip(".")
