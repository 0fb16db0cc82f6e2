"""A perception node, and someone outside it who sends messages and keeps all that comes back."""

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build


class Outside:
    """The node of some parameters, started, and the other end of its bus."""

    def __init__(self, realtime, **params):
        self.graph = LocalGraph()
        spec = {"exec": "perception_node", "name": "perception"}
        spec |= {"realtime": realtime, "params": params}
        self.node = build(spec, LocalBus(self.graph, "perception"))
        self.node.configure()
        self.node.start()
        self.outside = LocalBus(self.graph, "outside")
        self.heard = self.outside.subscribe("covary_msgs/msg/State", "/estimate", 0)
        self.told = self.outside.subscribe("diagnostic_msgs/msg/DiagnosticArray", "/diagnostics", 0)
        self.senders = {}

    def put(self, topic, message):
        if topic not in self.senders:
            self.senders[topic] = self.outside.publisher(message.__msgtype__, topic)
        self.senders[topic].put(messages.serialize(message))
        while self.graph.step():
            pass
