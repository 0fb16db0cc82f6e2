"""Fixed operations on tensors as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch

_WARM_UPS = 3  # calls before a graph is captured, as torch asks for


class Graph:
    """Operations, captured once; a call replays them on the buffers that they work on.

    Args:
        operations: Reads and fills tensors on the current device that stay where they are, looks at
            no value and makes nothing on the host.
        generator: Which it draws from; None: the device's own, or none.
    """

    def __init__(
        self, operations: Callable[[], None], generator: torch.Generator | None = None
    ) -> None:
        self._operations = operations  # kept, for a graph does not keep the tensors that it uses
        self._graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        if generator is not None:
            self._graph.register_generator_state(generator)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                operations()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(self._graph):
            operations()

    def __call__(self) -> None:
        """Do them again; nothing waits for it."""
        self._graph.replay()
