"""A node on a local bus, and someone outside it who sends messages."""

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build


class Outside:
    """The node of a kind and some parameters, started, and the other end of its bus."""

    def __init__(self, name, realtime, folder=None, **params):
        self.graph = LocalGraph()
        spec = {"exec": f"{name}_node", "name": name, "realtime": realtime}
        spec |= {"run_folder": folder and str(folder), "params": params}
        self.node = build(spec, LocalBus(self.graph, name))
        self.node.configure()
        self.node.start()
        self.outside = LocalBus(self.graph, "outside")
        self.senders = {}

    def put(self, topic, message):
        if topic not in self.senders:
            self.senders[topic] = self.outside.publisher(message.__msgtype__, topic)
        self.senders[topic].put(messages.serialize(message))
        while self.graph.step():
            pass
