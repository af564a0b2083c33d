"""The speech net as ONNX graphs: a window (1, samples) at 16 kHz to its logit (1,), a shorter one to its features, and
the gate's chunks (N, 576) to the probability of speech in each (N,)."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor

from detect.networks.audio.chunks import CHUNK, CONTEXT
from detect.networks.audio.real_fourier import real_fourier
from detect.networks.audio.speech import SpeechNet
from detect.networks.tracing import trace_graph
from detect.networks.zoo import ModelFolder


def load_speech_net(folder: ModelFolder) -> SpeechNet:
    """Return the net of a model folder with its weights, in float32, in eval mode, on the CPU."""
    net = SpeechNet.from_options(folder.config["options"])
    net.load_state_dict({key: value.float() for key, value in load_file(folder.weights).items()}, strict=True)
    return net.eval().requires_grad_(False)


def export_speech(folder: ModelFolder) -> bytes:
    """Return the graph of a window; its length is fixed to that of the config, and so is the batch, to one."""
    seconds = float(folder.config["input"]["window_s"])
    with real_fourier():
        return trace_graph(load_speech_net(folder), _tone(folder, seconds), given="window", answer="logit")


def export_description(folder: ModelFolder, *, seconds: float) -> bytes:
    """Return the graph that gives the raw features (1, features) of a window of so many seconds."""
    with real_fourier():
        return trace_graph(
            load_speech_net(folder), _tone(folder, seconds), given="window", answer="features", method="describe"
        )


def export_gate(folder: ModelFolder) -> bytes:
    """Return the graph of the gate, for any number of chunks that follow one another."""
    return trace_graph(
        load_speech_net(folder).gate,
        torch.zeros(8, CONTEXT + CHUNK),
        given="chunks",
        answer="speech",
        axes={"chunks": {0: "n"}, "speech": {0: "n"}},
    )


def _tone(folder: ModelFolder, seconds: float) -> Tensor:
    """Return a window to trace with, (1, samples)."""
    samples = int(seconds * int(folder.config["input"]["sample_rate_hz"]))
    return torch.sin(torch.arange(samples) / 7.0)[None] * 0.1
