"""The speech net as ONNX graphs: a window (1, samples) at 16 kHz to its logit (1,), a shorter one to its features, and
the gate's chunks (N, 576) to the probability of speech in each (N,)."""

from __future__ import annotations

import io
import warnings

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detect.networks.audio.chunks import CHUNK, CONTEXT
from detect.networks.audio.real_fourier import real_fourier
from detect.networks.audio.speech import SpeechNet
from detect.networks.graphs import OPSET
from detect.networks.zoo import ModelFolder


def load_speech_net(folder: ModelFolder) -> SpeechNet:
    """Return the net of a model folder with its weights, in float32, in eval mode, on the CPU."""
    net = SpeechNet.from_options(folder.config["options"])
    net.load_state_dict({key: value.float() for key, value in load_file(folder.weights).items()}, strict=True)
    return net.eval().requires_grad_(False)


def export_speech(folder: ModelFolder) -> bytes:
    """Return the graph of a window; its length is fixed to that of the config, and so is the batch, to one."""
    spec = folder.config["input"]
    samples = int(float(spec["window_s"]) * int(spec["sample_rate_hz"]))
    wave = torch.sin(torch.arange(samples) / 7.0)[None] * 0.1
    with real_fourier():
        return _export(load_speech_net(folder), wave, given="window", answer="logit")


def export_description(folder: ModelFolder, *, seconds: float) -> bytes:
    """Return the graph that gives the raw features (1, features) of a window of so many seconds."""
    wave = torch.sin(torch.arange(int(seconds * int(folder.config["input"]["sample_rate_hz"]))) / 7.0)[None] * 0.1
    with real_fourier():
        return _export(_Description(load_speech_net(folder)), wave, given="window", answer="features")


class _Description(nn.Module):
    """The speech net without its heads, as the tracer needs a module."""

    def __init__(self, net: SpeechNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, wave: Tensor) -> Tensor:
        return self.net.describe(wave)


def export_gate(folder: ModelFolder) -> bytes:
    """Return the graph of the gate, for any number of chunks that follow one another."""
    example = torch.zeros(8, CONTEXT + CHUNK)
    return _export(load_speech_net(folder).gate, example, given="chunks", answer="speech", free_axis="n")


def _export(network: nn.Module, example: Tensor, *, given: str, answer: str, free_axis: str = "") -> bytes:
    """Return the graph of a network of one input and one output; `free_axis` names their first axis."""
    sink = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it fixes; the parity test is the check
        torch.onnx.export(
            network,
            (example,),
            sink,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[given],
            output_names=[answer],
            dynamic_axes={name: {0: free_axis} for name in (given, answer)} if free_axis else None,
        )
    return sink.getvalue()
