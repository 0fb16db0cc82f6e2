"""A browser's end of the live page without a browser: eyes, and hands to press buttons."""

import time

import numpy as np
import pytest

viser = pytest.importorskip("viser")
msgspec = pytest.importorskip("msgspec")
zstandard = pytest.importorskip("zstandard")
connect = pytest.importorskip("websockets.sync.client").connect

PATIENCE_S = 20.0


class PageClient:
    """Speaks viser's own messages with a page.

    Attributes:
        nodes: Scene node by name: its `type`, `props`, `position` and `wxyz`.
        panel: Panel element by uuid: its `type`, `value` and `props`.
    """

    def __init__(self, url, origin=None):
        where = url.replace("http://", "ws://")
        protocol = f"viser-v{viser.__version__}"
        limits = {"max_size": 2**26, "max_queue": None, "close_timeout": 1.0}
        self.socket = connect(where, subprotocols=[protocol], origin=origin, **limits)
        self.nodes, self.panel, self.notes = {}, {}, []
        self.replayed = False
        up = {"look_at": (0.0, 0.0, 0.0), "up_direction": (0.0, 0.0, 1.0)}
        lens = {"fov": 1.0, "near": 0.01, "far": 100.0, "image_height": 600, "image_width": 800}
        pose = {"wxyz": (1.0, 0.0, 0.0, 0.0), "position": (1.0, 1.0, 1.0)}
        self.send("ViewerCameraMessage", **pose, **lens, **up)
        self.wait(lambda: self.replayed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, **fields):
        self.socket.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def wait(self, condition, work=lambda: None, patience_s=PATIENCE_S):
        """Takes in what comes until the condition is true, and meanwhile does `work`."""
        until = time.monotonic() + patience_s
        while not condition():
            work()
            try:
                self._note(self.socket.recv(timeout=0.05))
            except TimeoutError:
                pass
            assert time.monotonic() < until, f"it never came about; nodes {sorted(self.nodes)}"

    def uuid(self, label):
        """The panel element of a label."""
        found = [u for u, e in self.panel.items() if e["props"].get("label") == label]
        assert found, f"no {label!r} among {[e['props'].get('label') for e in self.panel.values()]}"
        return found[0]

    def has(self, label):
        return any(e["props"].get("label") == label for e in self.panel.values())

    def value(self, label):
        return self.panel[self.uuid(label)]["value"]

    def text(self):
        """All that is written in the panel."""
        return " ".join(str(e["props"].get("content", "")) for e in self.panel.values())

    def click(self, label):
        self.send("GuiUpdateMessage", uuid=self.uuid(label), updates={"value": True})

    def put(self, label, value):
        """Moves a slider, or fills a field."""
        self.send("GuiUpdateMessage", uuid=self.uuid(label), updates={"value": value})

    def drag(self, name, position, wxyz=(1.0, 0.0, 0.0, 0.0)):
        """Drags a gizmo to a pose."""
        wxyz, position = [float(q) for q in wxyz], [float(p) for p in position]
        self.send("TransformControlsUpdateMessage", name=name, wxyz=wxyz, position=position)

    def pose(self, name):
        """Where a scene node is in the world: position (3,) and rotation (3, 3)."""
        position, rotation = np.zeros(3), np.eye(3)
        path = ""
        for part in name.strip("/").split("/"):
            path = f"{path}/{part}"
            node = self.nodes.get(path)
            if node is None:  # a name that only groups others
                continue
            position = position + rotation @ np.asarray(node["position"])
            rotation = rotation @ matrix(node["wxyz"])
        return position, rotation

    def _note(self, raw):
        whole, packed = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8))
        inner = zstandard.ZstdDecompressor().decompress(raw[16 : 16 + packed], whole)
        window = msgspec.msgpack.decode(inner)
        offset, buffers = 16 + packed, []
        for length in window["binaryBufferLengths"]:
            offset += -offset % 8
            buffers.append(raw[offset : offset + length])
            offset += length
        for message in window["messages"]:
            self._take(_filled(message, buffers))

    def _take(self, message):
        kind, name = message["type"], message.get("name")
        if kind == "ReplayDoneMessage":
            self.replayed = True
        elif kind == "RemoveSceneNodeMessage":
            for node in [n for n in self.nodes if n == name or n.startswith(f"{name}/")]:
                del self.nodes[node]
        elif kind == "SetPositionMessage" and name in self.nodes:
            self.nodes[name]["position"] = message["position"]
        elif kind == "SetOrientationMessage" and name in self.nodes:
            self.nodes[name]["wxyz"] = message["wxyz"]
        elif kind == "SceneNodeUpdateMessage" and name in self.nodes:
            self.nodes[name]["props"] |= message["updates"]
        elif name is not None and "props" in message and kind.endswith("Message"):
            at_rest = {"position": (0.0, 0.0, 0.0), "wxyz": (1.0, 0.0, 0.0, 0.0)}
            self.nodes[name] = {"type": kind, "props": message["props"], **at_rest}
        elif kind == "NotificationShowMessage":
            self.notes.append(message)
        elif kind == "GuiUpdateMessage" and message["uuid"] in self.panel:
            element = self.panel[message["uuid"]]
            for key, value in message["updates"].items():
                if key == "value":
                    element["value"] = value
                else:
                    element["props"][key] = value
        elif kind == "GuiRemoveMessage":
            self.panel.pop(message["uuid"], None)
        elif kind.startswith("Gui") and "props" in message:
            self.panel[message["uuid"]] = {"type": kind, "value": message.get("value"),
                                           "props": dict(message["props"])}  # fmt: skip


def _filled(value, buffers):
    """A decoded message with its arrays in place."""
    if isinstance(value, dict):
        if "__binary_index" in value:
            return np.frombuffer(buffers[value["__binary_index"]], value["dtype"])
        return {key: _filled(inner, buffers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, buffers) for inner in value]
    return value


def matrix(wxyz):
    """The rotation matrix of a unit quaternion."""
    w, x, y, z = wxyz
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
