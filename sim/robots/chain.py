"""Kinematics of a serial chain of turning joints, compiled: where it is, and how it gets there.

All kernels that call each other stand here: Numba's cache watches one file. A chain of n joints is
its fixed frames (n + 1, 3, 4), as `description.frames` gives them. Its tool points along the last
joint's axis, which is to look straight down; so that joint turns the tool about the vertical.

Rates come from damped least squares (Nakamura and Hanafusa, "Inverse kinematic solutions with
singularity robustness for robot manipulator control", 1986), where only the direction that is
being lost is damped (Maciejewski and Klein, "Numerical filtering for the operation of robotic
manipulators through kinematically singular configurations", 1988), by a factor that grows from zero
as the smallest singular value falls below `SINGULAR` (Chiaverini, "Singularity-robust task-priority
redundancy resolution for real-time kinematic control of robot manipulators", 1997). What the tool
leaves free goes towards a rest posture, by way of the null space (Liegeois, "Automatic supervisory
control of the configuration and behavior of multibody mechanisms", 1977). A joint nearing its limit
is braked (Faverjon and Tournassoud, "A local based approach for path planning of manipulators with
a high number of degrees of freedom", 1987), taken out, and the others are solved for again.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..cache_folder import provide

provide()  # before Numba meets the first kernel

SINGULAR = 0.08
"""Smallest singular value below which its direction is damped."""
DAMPING = 0.05
"""The damping factor at a singularity."""
UPRIGHT = 2.0
"""What a rad/s of the tool's rotation counts as where not all can be had, m/s."""
BRAKING = 12.0
"""Largest rate of a joint towards a limit over its distance from it, 1/s."""
RIGHTING = 20.0
"""How fast the tool's axis comes back to the vertical: radians per radian and metre of travel."""
RESTING = 5.0
"""How fast what is free goes to the rest posture: radians per radian and metre of travel."""
TURNING = 0.1
"""Travel that a turn of one radian counts as, m."""
STRIDE = 0.3
"""Longest step of a joint on the way to a posture, rad."""
PIVOT = 1e-10
"""What a pivot of the normal matrix is taken for when it is smaller."""
ITERATIONS = 4
"""Of the smallest singular value."""


@njit(cache=True)
def forward(q, fixed, place):
    """Frames of the joints and the tool in the world. (n,), (n + 1, 3, 4) -> place, alike."""
    n = q.shape[0]
    for i in range(n + 1):
        f, here = fixed[i], place[i]
        if i == 0:
            for r in range(3):
                for c in range(4):
                    here[r, c] = f[r, c]
        else:
            last = place[i - 1]
            for r in range(3):
                for c in range(4):
                    here[r, c] = last[r, 0] * f[0, c] + last[r, 1] * f[1, c] + last[r, 2] * f[2, c]
                here[r, 3] += last[r, 3]
        if i < n:
            cos, sin = math.cos(q[i]), math.sin(q[i])
            for r in range(3):
                x, y = here[r, 0], here[r, 1]
                here[r, 0], here[r, 1] = cos * x + sin * y, cos * y - sin * x


@njit(cache=True)
def jacobian(place, J):
    """Linear and angular velocity of the tool per joint rate. (n + 1, 3, 4) -> J (6, n)"""
    n = J.shape[1]
    tx, ty, tz = place[n, 0, 3], place[n, 1, 3], place[n, 2, 3]
    for i in range(n):
        ax, ay, az = place[i, 0, 2], place[i, 1, 2], place[i, 2, 2]
        rx, ry, rz = tx - place[i, 0, 3], ty - place[i, 1, 3], tz - place[i, 2, 3]
        J[0, i], J[1, i], J[2, i] = ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx
        J[3, i], J[4, i], J[5, i] = ax, ay, az


@njit(cache=True)
def factored(J, free, weak, damping, L):
    """Cholesky factor of J J' + damping weak weak', over the free joints. (6,) -> L (6, 6)"""
    for r in range(6):
        for c in range(r + 1):
            total = damping * weak[r] * weak[c]
            for i in range(J.shape[1]):
                if free[i]:
                    total += J[r, i] * J[c, i]
            for k in range(c):
                total -= L[r, k] * L[c, k]
            if r == c:
                L[r, r] = math.sqrt(max(total, PIVOT))
            else:
                L[r, c] = total / L[c, c]


@njit(cache=True)
def solved(L, v):
    """Solves L L' x = v in place. (6, 6), (6,) -> v"""
    for r in range(6):
        for k in range(r):
            v[r] -= L[r, k] * v[k]
        v[r] /= L[r, r]
    for r in range(5, -1, -1):
        for k in range(r + 1, 6):
            v[r] -= L[k, r] * v[k]
        v[r] /= L[r, r]


@njit(cache=True)
def weakest(L, weak):
    """The smallest singular value, by inverse iteration, and its direction. -> weak (6,)"""
    size = 1.0
    for r in range(6):
        weak[r] = 1.0
    for _ in range(ITERATIONS):
        solved(L, weak)
        size = 0.0
        for r in range(6):
            size += weak[r] * weak[r]
        size = math.sqrt(size)
        for r in range(6):
            weak[r] /= size
    return 1.0 / math.sqrt(size)


@njit(cache=True)
def resolved(J, twist, wish, slowest, fastest, most, L, free, rates):
    """Joint rates that give the tool a twist, and are else as near to a wish as the tool allows.

    Where a joint would be too fast, all are slower, and the tool keeps its direction. A bound ends
    the motion of one joint only, and the others make up for it.

    Args:
        J: Its rotational half is scaled by `UPRIGHT`. (6, n)
        twist: Velocity (m/s) and angular velocity (rad/s) of the tool; scaled too. (6,)
        wish: Rates that the joints would like; scaled too. (n,)
        slowest: Bounds below. (n,)
        fastest: Bounds above. (n,)
        most: Largest rates either way. (n,)
        L: Room for a factor. (6, 6)
        free: Set to which joints are within their bounds. (n,)
        rates: Set. (n,)
    """
    n = J.shape[1]
    rest, weak = np.empty(6), np.zeros(6)
    for i in range(n):
        free[i] = True
        for r in range(3, 6):
            J[r, i] *= UPRIGHT
    for _ in range(n):
        factored(J, free, weak, 0.0, L)
        smallest = weakest(L, weak)
        if smallest < SINGULAR:
            factored(J, free, weak, DAMPING**2 * (1.0 - (smallest / SINGULAR) ** 2), L)
        for r in range(6):
            rest[r] = twist[r] if r < 3 else UPRIGHT * twist[r]
            for i in range(n):
                rest[r] -= J[r, i] * (wish[i] if free[i] else rates[i])
        solved(L, rest)
        for i in range(n):
            if free[i]:
                rates[i] = wish[i]
                for r in range(6):
                    rates[i] += J[r, i] * rest[r]
        scale = 1.0
        for i in range(n):
            if abs(rates[i]) * scale > most[i]:
                scale = most[i] / abs(rates[i])
        for i in range(n):
            rates[i] *= scale
            wish[i] *= scale
        for r in range(6):
            twist[r] *= scale
        worst, over = -1, 1e-9
        for i in range(n):
            beyond = max(rates[i] - fastest[i], slowest[i] - rates[i])
            if free[i] and beyond > over:
                worst, over = i, beyond
        if worst < 0:
            return
        free[worst] = False
        rates[worst] = min(max(rates[worst], slowest[worst]), fastest[worst])


@njit(cache=True)
def joint_rates(held, u, fixed, limits, pull, ahead, rates):
    """Joint rates that move the tool as commanded, upright.

    They are proportional to the command as long as no limit counts: the way of the joints depends
    on the way of the tool, not on its speed. They are taken at the middle of the step, so that the
    tool does not leave the commanded way by the step's curvature.

    Args:
        held: Joint positions. (n,)
        u: Rates of x, y, z (m/s) and yaw (rad/s). (4,)
        fixed: The chain. (n + 1, 3, 4)
        limits: Smallest and largest angle, largest rate, rest posture. (4, n)
        pull: How much the rest posture counts, per joint. (n,)
        ahead: How long they will be used, s.
        rates: Set. (n,)
    """
    n = held.shape[0]
    place, J, L = np.empty((n + 1, 3, 4)), np.empty((6, n)), np.empty((6, 6))
    free, twist = np.empty(n, np.bool_), np.empty(6)
    slowest, fastest, wish, q = np.empty(n), np.empty(n), np.empty(n), held.copy()
    travel = math.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2) + TURNING * abs(u[3])
    for i in range(n):
        slowest[i] = BRAKING * (limits[0, i] - held[i])
        fastest[i] = BRAKING * (limits[1, i] - held[i])
    # The last joint looks down: its limits end the tool's turn, and the others do not take it over.
    turn = min(max(u[3], -fastest[n - 1]), -slowest[n - 1])
    for half in range(2):
        forward(q, fixed, place)
        jacobian(place, J)
        twist[0], twist[1], twist[2], twist[5] = u[0], u[1], u[2], turn
        twist[3] = -RIGHTING * travel * place[n, 1, 2]  # the axis times straight down
        twist[4] = RIGHTING * travel * place[n, 0, 2]
        for i in range(n):
            wish[i] = RESTING * travel * pull[i] * (limits[3, i] - q[i])
        resolved(J, twist, wish, slowest, fastest, limits[2], L, free, rates)
        if half == 0:
            for i in range(n):
                q[i] = held[i] + 0.5 * ahead * rates[i]


@njit(cache=True)
def leashed(held, here, fixed, longest, u):
    """Takes from a command what would lead the tool further ahead of where it is.

    Args:
        held: Joint positions that are commanded. (n,)
        here: Joint positions. (n,)
        fixed: The chain. (n + 1, 3, 4)
        longest: How far the commanded tool may be ahead of the real one, m.
        u: Rates of x, y, z (m/s) and yaw (rad/s); changed in place. (4,)
    """
    n = held.shape[0]
    place, ahead = np.empty((n + 1, 3, 4)), np.empty(3)
    forward(held, fixed, place)
    for r in range(3):
        ahead[r] = place[n, r, 3]
    forward(here, fixed, place)
    square, along = 0.0, 0.0
    for r in range(3):
        ahead[r] -= place[n, r, 3]
        square += ahead[r] ** 2
        along += ahead[r] * u[r]
    if square > longest**2 and along > 0.0:
        for r in range(3):
            u[r] -= ahead[r] * along / square


@njit(cache=True)
def clutched(held, here, slack, ahead, together, limits, rates):
    """Lets joints slip that something holds, or moves, elsewhere than where they are commanded.

    None is commanded further than `slack` from where it is: so it has nothing to catch up on when
    it is let go, for which it would have to be too fast.

    Args:
        held: Joint positions that are commanded. (n,)
        here: Joint positions. (n,)
        slack: rad; from half of it on a joint is slower.
        ahead: How long the rates will be used, s.
        together: Whether all joints are slower where one is.
        limits: Smallest and largest angle, largest rate, rest posture. (4, n)
        rates: Changed in place. (n,)
    """
    n, least = held.shape[0], 1.0
    for i in range(n):
        behind = held[i] - here[i]
        if behind * rates[i] > 0.0:
            scale = max(2.0 - 2.0 * max(abs(behind) / slack, 0.5), 0.0)
            least = min(least, scale)
            if not together:
                rates[i] *= scale
    for i in range(n):
        if together:
            rates[i] *= least
        behind = held[i] - here[i]
        rates[i] = max(rates[i], max((-slack - behind) / ahead, -limits[2, i]))
        rates[i] = min(rates[i], min((slack - behind) / ahead, limits[2, i]))


@njit(cache=True)
def tool_pose(q, fixed, pose):
    """The tool's x, y, z (m) and yaw (rad). (B, n), (n + 1, 3, 4) -> pose (B, 4)"""
    n = q.shape[1]
    place = np.empty((n + 1, 3, 4))
    for b in range(q.shape[0]):
        forward(q[b], fixed, place)
        tool = place[n]
        pose[b, 0], pose[b, 1], pose[b, 2] = tool[0, 3], tool[1, 3], tool[2, 3]
        # With the z axis straight down, x = (cos, sin, 0) and y = (sin, -cos, 0). Of a tilted tool
        # the yaw is that of the turn about a level axis that would put it upright.
        pose[b, 3] = math.atan2(tool[1, 0] + tool[0, 1], tool[0, 0] - tool[1, 1])


@njit(cache=True)
def way_to(pose, place, error):
    """What separates the tool from a pose x, y, z, yaw, tool down. (4,) -> error (6,), largest."""
    tool = place[place.shape[0] - 1]
    cos, sin = math.cos(pose[3]), math.sin(pose[3])
    for r in range(3):
        error[r], error[3 + r] = pose[r] - tool[r, 3], 0.0
    for c in range(3):
        if c == 0:
            gx, gy, gz = cos, sin, 0.0
        elif c == 1:
            gx, gy, gz = sin, -cos, 0.0
        else:
            gx, gy, gz = 0.0, 0.0, -1.0
        x, y, z = tool[0, c], tool[1, c], tool[2, c]
        error[3] += 0.5 * (y * gz - z * gy)
        error[4] += 0.5 * (z * gx - x * gz)
        error[5] += 0.5 * (x * gy - y * gx)
    most = 0.0
    for r in range(6):
        most = max(most, abs(error[r]))
    return most


@njit(cache=True)
def posture(pose, fixed, limits, pull, rounds, exact, q):
    """Joint positions that bring the tool to a pose, from the rest posture, and near to it.

    Args:
        pose: x, y, z (m), yaw (rad), tool down. (4,)
        fixed: The chain. (n + 1, 3, 4)
        limits: Smallest and largest angle, largest rate, rest posture. (4, n)
        pull: How much the rest posture counts, per joint. (n,)
        rounds: Steps with the null space, and as many at most without, to be exact.
        exact: Largest error that is none, m and rad.
        q: Set. (n,)

    Returns:
        The error that is left, m and rad: the larger.
    """
    n = q.shape[0]
    place, J, L = np.empty((n + 1, 3, 4)), np.empty((6, n)), np.empty((6, 6))
    free, twist, start = np.empty(n, np.bool_), np.empty(6), np.empty(4)
    slowest, fastest, wish, step = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    longest = np.full(n, STRIDE)
    for i in range(n):
        q[i] = limits[3, i]
    forward(q, fixed, place)
    start[:3] = place[n, :, 3]
    start[3] = math.atan2(place[n, 1, 0] + place[n, 0, 1], place[n, 0, 0] - place[n, 1, 1])
    aim, most = start.copy(), 0.0
    for k in range(2 * rounds):
        # Along a straight way in the first half of the rounds: then it cannot end in another fold.
        share = min(2.0 * (k + 1) / rounds, 1.0)
        for r in range(4):
            aim[r] = start[r] + share * (pose[r] - start[r])
        forward(q, fixed, place)
        most = way_to(aim, place, twist)
        if k >= rounds and most <= exact:
            break
        jacobian(place, J)
        for i in range(n):
            slowest[i], fastest[i] = limits[0, i] - q[i], limits[1, i] - q[i]
            wish[i] = pull[i] * (limits[3, i] - q[i]) if k < rounds else 0.0
        resolved(J, twist, wish, slowest, fastest, longest, L, free, step)
        for i in range(n):
            q[i] = min(max(q[i] + step[i], limits[0, i]), limits[1, i])
    return most
