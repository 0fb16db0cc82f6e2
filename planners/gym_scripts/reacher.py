"""Reacher: a spring and damper in the joints towards the inverse kinematics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...symmetry.declaration import wrap

INNER, OUTER = 0.10, 0.11  # lengths of the links, m
STIFFNESS, DAMPING = 1.0, 0.12  # of the joints, per rad and per rad/s, in units of the action


class Reach:
    """Bends the elbow to the side to which it is bent already."""

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """Torques. (10,) -> (2,)"""
        shoulder, elbow = math.atan2(x[2], x[0]), math.atan2(x[3], x[1])
        reach = float(np.clip(math.hypot(x[4], x[5]), abs(INNER - OUTER), INNER + OUTER))
        cosine = (reach**2 - INNER**2 - OUTER**2) / (2 * INNER * OUTER)
        bend = math.copysign(math.acos(float(np.clip(cosine, -1.0, 1.0))), elbow)
        inner = math.atan2(OUTER * math.sin(bend), INNER + OUTER * math.cos(bend))
        turn = wrap(np.float64(math.atan2(x[5], x[4]) - inner - shoulder))
        gap = np.array([float(turn), bend - elbow])
        return STIFFNESS * gap - DAMPING * x[6:8], stage
