"""Trace a network, or one method of it, to an ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from detect.networks.graphs import OPSET


class _Method(nn.Module):
    """One method of a network as a module, which is what the tracer takes."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, getattr(self.network, self.method)(x))


def trace_graph(
    network: nn.Module,
    example: Tensor,
    *,
    given: str,
    answer: str,
    method: str = "forward",
    axes: Mapping[str, Mapping[int, str]] | None = None,
) -> bytes:
    """Return the graph of what maps one tensor to another.

    Args:
        network: On the CPU; put in evaluation mode.
        example: An input; its size is fixed but for `axes`.
        given: Name of the input.
        answer: Name of the output.
        method: Which method of the network.
        axes: Names of the axes that may have any size, by input or output.
    """
    traced = network if method == "forward" else _Method(network, method)
    sink = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it fixes; the parity tests are the check
        torch.onnx.export(
            traced.eval(),
            (example,),
            sink,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[given],
            output_names=[answer],
            dynamic_axes=axes,
        )
    return sink.getvalue()
