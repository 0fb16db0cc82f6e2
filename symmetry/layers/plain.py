"""A trained network as plain torch: every layer that can is replaced by what it exports."""

from __future__ import annotations

import copy

from torch import nn


def plain(network: nn.Module) -> nn.Module:
    """The network with each layer in it that has ``export()`` replaced by the result.

    The original stays as it is; what has no ``export`` is shared with it, not copied. Exported
    layers are faster and know no group: for running, not for further training.
    """
    export = getattr(network, "export", None)
    if export is not None:
        return export()
    made = copy.copy(network)
    made._modules = {
        name: None if child is None else plain(child) for name, child in network._modules.items()
    }
    return made
