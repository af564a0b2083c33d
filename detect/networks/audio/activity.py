"""Voice activity: the Silero VAD 6 network (MIT) for 16 kHz, in plain torch.

The published model walks chunk by chunk; here the convolutions see all chunks at once and only the recurrent cell
walks. A test compares it with the published ONNX file.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class VoiceActivity(nn.Module):
    """Probability of speech for each 32 ms; names of the weights are those of Silero's file."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def _encode(self, chunks: Tensor) -> Tensor:
        """Return (N, 128) for chunks (N, CONTEXT + CHUNK)."""
        x = self.stft_conv(nn.functional.pad(chunks, (0, 64), mode="reflect").unsqueeze(1))
        x = (x[:, :129].square() + x[:, 129:].square()).sqrt()
        x = self.conv2(self.conv1(x).relu()).relu()
        return cast(Tensor, self.conv4(self.conv3(x).relu()).relu().squeeze(-1))

    def forward(self, chunks: Tensor) -> Tensor:
        """Return the probability of speech of each chunk, (N,), for chunks in order, (N, CONTEXT + CHUNK) at 16 kHz."""
        codes = self._encode(chunks)  # (N, 128)
        cell = self.lstm_cell
        weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
        start = [torch.zeros(1, 1, 128)] * 2
        states, _, _ = torch.lstm(codes[:, None], start, weights, True, 1, 0.0, False, False, False)
        bias = self.final_conv.bias
        assert bias is not None
        return (states[:, 0].relu() @ self.final_conv.weight[0, :, 0] + bias).sigmoid()
