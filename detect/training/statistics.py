"""Statistics of a net's first stages as an ONNX graph: what the linear layers of faces and frames are fitted on."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from detect.networks.graphs import OPSET
from detect.networks.image.statistics_net import StagesNet


def export_statistics(network: StagesNet) -> bytes:
    """Return the graph: input `patches` (n, 3, h, w) float32 in [-1, 1], output `rows` (n, features)."""

    class Statistics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network

        def forward(self, patches: Tensor) -> Tensor:
            return self.net.statistics(patches)

    sink = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it meets
        torch.onnx.export(
            Statistics().eval(),
            (torch.zeros(1, 3, 160, 160),),
            sink,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["patches"],
            output_names=["rows"],
            dynamic_axes={"patches": {0: "n", 2: "h", 3: "w"}, "rows": {0: "n"}},
        )
    return sink.getvalue()
