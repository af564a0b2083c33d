"""Voice activity: the Silero VAD 6 network (MIT) for 16 kHz, in plain torch.

The published model walks chunk by chunk; here the convolutions see all chunks at once and only the recurrent cell
walks, which makes ten minutes cost about two seconds. A test compares it with the published ONNX file.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

CHUNK = 512
"""Samples a decision: 32 ms."""

CONTEXT = 64
"""Samples of the chunk before that the network sees again."""

BATCH = 2_048
"""Chunks encoded at once; bounds memory at about 100 MB."""


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

    @torch.inference_mode()
    def forward(self, wave: Tensor) -> Tensor:
        """Return the probability of speech for each chunk, (ceil(samples / 512),), for a wave (samples,) at 16 kHz."""
        padded = nn.functional.pad(wave, (CONTEXT, -len(wave) % CHUNK))
        chunks = padded.unfold(0, CONTEXT + CHUNK, CHUNK)
        codes = torch.cat([self._encode(part) for part in torch.split(chunks, BATCH)])  # (N, 128)
        gates = codes @ self.lstm_cell.weight_ih.T + self.lstm_cell.bias_ih + self.lstm_cell.bias_hh
        weight = self.lstm_cell.weight_hh.T.contiguous()
        hidden, cell = torch.zeros(128), torch.zeros(128)
        states = []
        for gate in gates:
            entry, keep, new, out = (gate + hidden @ weight).chunk(4)
            cell = keep.sigmoid() * cell + entry.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
            states.append(hidden)
        stacked = torch.stack(states).relu()
        bias = self.final_conv.bias
        assert bias is not None
        return (stacked @ self.final_conv.weight[0, :, 0] + bias).sigmoid()
