"""Statistics of a net's first stages as an ONNX graph: what the linear layers of faces and frames are fitted on."""

from __future__ import annotations

import torch

from detect.networks.image.statistics_net import StagesNet
from detect.networks.tracing import trace_graph


def export_statistics(network: StagesNet) -> bytes:
    """Return the graph: input `patches` (n, 3, h, w) float32 in [-1, 1], output `rows` (n, features)."""
    return trace_graph(
        network,
        torch.zeros(1, 3, 160, 160),
        given="patches",
        answer="rows",
        method="statistics",
        axes={"patches": {0: "n", 2: "h", 3: "w"}, "rows": {0: "n"}},
    )
