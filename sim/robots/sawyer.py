"""The Rethink Sawyer, a well-known arm of seven joints, as one table.

Frames, limits, masses, centres and inertias are the figures that the manufacturer published with
the arm's description (2016, `sawyer_description`); its head and screen are left out. The shapes are
ours: capsules around the links. Not published, so ours too: the rotors' inertia and the servos.

It reaches gripper-down over the whole workspace far from its joints' limits, since its elbow folds
to 174 degrees: docs/decisions/0014-one-robot-description.md says why it is this arm.
"""

from __future__ import annotations

import math

from .description import Description, Joint, Link, Shape

_RIGHT = math.pi / 2

SAWYER = Description(
    base=Link(
        "arm_base",
        mass=2.0687,
        centre=(-0.0006241, -2.8025e-05, 0.065404),
        inertia=(0.0067599, 0.0067877, 0.0074031, -4.2024e-05, -6.1904e-07, 1.5888e-05),
        shapes=(Shape((0, 0, 0.0), (0, 0, 0.14), 0.08),),
    ),
    joints=(
        Joint(
            "arm_1",
            position=(0, 0, 0.08),
            angles=(0, 0, 0),
            low=-3.0503,
            high=3.0503,
            velocity=1.74,
            effort=80.0,
            armature=0.3,
            stiffness=60000.0,
            link=Link(
                "arm_link_1",
                mass=5.3213,
                centre=(0.024366, 0.010969, 0.14363),
                inertia=(0.053314, 0.057902, 0.023659, 0.0047093, 0.011734, 0.0080179),
                shapes=(Shape((0, 0, 0.16), (0.08, 0, 0.23), 0.07),),
            ),
        ),
        Joint(
            "arm_2",
            position=(0.081, 0.05, 0.237),
            angles=(-_RIGHT, _RIGHT, 0),
            low=-3.8095,
            high=2.2736,
            velocity=1.328,
            effort=80.0,
            armature=0.3,
            stiffness=60000.0,
            link=Link(
                "arm_link_2",
                mass=4.505,
                centre=(-0.0030849, -0.026811, 0.092521),
                inertia=(0.022398, 0.014613, 0.017295, -0.00023986, -0.00029362, -0.0060875),
                shapes=(Shape((0, 0, 0), (0, 0, 0.1225), 0.07),),
            ),
        ),
        Joint(
            "arm_3",
            position=(0, -0.14, 0.1425),
            angles=(_RIGHT, 0, 0),
            low=-3.0426,
            high=3.0426,
            velocity=1.957,
            effort=40.0,
            armature=0.2,
            stiffness=30000.0,
            link=Link(
                "arm_link_3",
                mass=1.745,
                centre=(-0.00016044, -0.014967, 0.13582),
                inertia=(0.025506, 0.0253, 0.0034179, 4.4101e-06, 1.4955e-05, -0.0033204),
                shapes=(Shape((0, 0, -0.04), (0, 0, 0.26), 0.06),),
            ),
        ),
        Joint(
            "arm_4",
            position=(0, -0.042, 0.26),
            angles=(-_RIGHT, 0, 0),
            low=-3.0439,
            high=3.0439,
            velocity=1.957,
            effort=40.0,
            armature=0.2,
            stiffness=30000.0,
            link=Link(
                "arm_link_4",
                mass=2.5097,
                centre=(-0.0048135, -0.0281, -0.084154),
                inertia=(0.01016, 0.0065685, 0.0069078, -9.7452e-06, 0.00026624, 0.0030316),
                shapes=(Shape((0, 0, 0), (0, -0.01, -0.12), 0.06),),
            ),
        ),
        Joint(
            "arm_5",
            position=(0, -0.125, -0.1265),
            angles=(_RIGHT, 0, 0),
            low=-2.9761,
            high=2.9761,
            velocity=3.485,
            effort=9.0,
            armature=0.05,
            stiffness=6000.0,
            link=Link(
                "arm_link_5",
                mass=1.1136,
                centre=(-0.0018844, 0.0069001, 0.1341),
                inertia=(0.013557, 0.013555, 0.0013658, 1.8109e-05, 0.00013523, 0.0010561),
                shapes=(Shape((0, 0, 0), (0, 0.01, 0.26), 0.05),),
            ),
        ),
        Joint(
            "arm_6",
            position=(0, 0.031, 0.275),
            angles=(-_RIGHT, 0, 0),
            low=-2.9761,
            high=2.9761,
            velocity=3.485,
            effort=9.0,
            armature=0.05,
            stiffness=6000.0,
            link=Link(
                "arm_link_6",
                mass=1.5625,
                centre=(0.0061133, -0.023697, 0.076416),
                inertia=(0.0047328, 0.0029676, 0.0031762, 0.00011526, 4.6269e-05, -0.0011557),
                shapes=(
                    Shape((0, 0, 0), (0, 0, 0.10), 0.055),
                    Shape((0, 0, 0.10), (0, -0.07, 0.1053), 0.045),
                ),
            ),
        ),
        Joint(
            "arm_7",
            position=(0, -0.11, 0.1053),
            angles=(-_RIGHT, -0.17453, math.pi),
            low=-4.7124,
            high=4.7124,
            velocity=4.545,
            effort=9.0,
            armature=0.05,
            stiffness=6000.0,
            link=Link(
                "arm_link_7",
                mass=0.3292,
                centre=(-8.0726e-06, 0.0085838, -0.0049566),
                inertia=(0.00031105, 0.00021549, 0.00035976, 1.4771e-06, -3.7074e-07, -8.4533e-06),
                shapes=(Shape((0, 0, -0.03), (0, 0, 0), 0.035),),
            ),
        ),
    ),
    flange=(0, 0, 0.0245),
    lag=0.0075,
)
"""Base, joints and links; lengths in m, angles in rad, masses in kg, inertias in kg m^2."""
