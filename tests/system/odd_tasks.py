"""Tasks that cannot be, such as one of D8 over a box of limits, which has D4; copied as box.py."""

import numpy as np

from covary.sim.limits import Box, Limits
from covary.sim.tasks.point_mass import PointMass


class Octagon(PointMass):
    def __init__(self):
        super().__init__()
        self.limits = Limits(
            {name: Box((-1.0, -1.0), (1.0, 1.0)) for name in self.limits.parts}, self.limits.slices
        )


class Pushed(PointMass):
    def safe_action(self):
        return np.ones(2)


class Broken(PointMass):
    def __init__(self):
        raise RuntimeError("no such table")


class NoTask:
    pass


class Plain(PointMass):
    """Without any symmetry."""

    def __init__(self):
        super().__init__()
        self.symmetry = self.symmetry.trivial()


class Undeclared(PointMass):
    def __init__(self):
        super().__init__()
        del self.symmetry
