"""The speech net as an ONNX graph: one window (1, samples) at 16 kHz to one logit (1,)."""

from __future__ import annotations

import io
import warnings

import torch
from safetensors.torch import load_file

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
    """Return the graph; the length of a window is fixed to that of the config, and so is the batch, to one."""
    spec = folder.config["input"]
    samples = int(float(spec["window_s"]) * int(spec["sample_rate_hz"]))
    sink = io.BytesIO()
    with torch.inference_mode(), real_fourier(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it fixes; the parity test is the check
        torch.onnx.export(
            load_speech_net(folder),
            (torch.sin(torch.arange(samples) / 7.0)[None] * 0.1,),
            sink,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["window"],
            output_names=["logit"],
        )
    return sink.getvalue()
