"""A perception node, and someone outside it who keeps all that comes back."""

from outside import Outside


class LookedAt(Outside):
    """The node of some parameters, its estimates and what it says of them."""

    def __init__(self, realtime, **params):
        super().__init__("perception", realtime, **params)
        self.heard = self.outside.subscribe("covary_msgs/msg/State", "/estimate", 0)
        self.told = self.outside.subscribe("diagnostic_msgs/msg/DiagnosticArray", "/diagnostics", 0)
