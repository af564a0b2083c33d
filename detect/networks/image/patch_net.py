"""Networks that look at native-resolution patches and keep a map of where the trace is.

`PatchNet` is a timm backbone whose linear head is applied to every cell of the last feature map; the patch's logit is
the mean over its cells, so the map and the score are the same evidence (class activation mapping, arXiv 1512.04150).
`front` chooses what the backbone sees: the picture (`rgb`), its high-pass residual (`residual`), or both (`both`).
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

FRONTS = ("rgb", "residual", "both")


class HighPass(nn.Module):
    """What a 3x3 median-like smoother removes: the picture minus its local mean, scaled to the picture's range.

    Upsampling and decoding leave their trace in how a pixel follows from its neighbours (NPR, arXiv 2312.10461), which
    the content hides; the factor 4 brings the residual of a photograph to about unit deviation.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the residual, same shape as `x` (N, 3, H, W)."""
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        smooth = functional.avg_pool2d(padded, 3, stride=1)
        return (x - smooth) * 4.0


class PatchNet(nn.Module):
    """Backbone, per-cell linear head, mean over cells.

    Input (N, 3, H, W) in [-1, 1], H and W >= 64; output logits (N,). `forward_map` gives (N, H/32, W/32), or
    (N, H/16, W/16) with `stem_stride` 1.
    """

    def __init__(
        self, backbone: str = "tf_efficientnet_lite0", front: str = "rgb", drop_rate: float = 0.2, stem_stride: int = 2
    ) -> None:
        super().__init__()
        assert front in FRONTS, f"front must be one of {FRONTS}, not {front!r}"
        self.front = front
        self.high_pass = HighPass()
        self.backbone = timm.create_model(
            backbone, pretrained=False, num_classes=0, global_pool="", in_chans=6 if front == "both" else 3
        )
        # Stride 1 keeps the pixel period up to the first block (as in arXiv 2104.02617), at four times the cost.
        self.backbone.conv_stem.stride = (stem_stride, stem_stride)  # type: ignore[assignment]
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(int(self.backbone.num_features), 1)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit a patch, (N,)."""
        features = self._features(x).mean(dim=(2, 3))  # (N, C)
        logits: Tensor = self.head(self.dropout(features))
        return logits.squeeze(1)

    def forward_map(self, x: Tensor) -> Tensor:
        """Return the logit of each cell, (N, h, w); their mean is the logit of the patch."""
        cells: Tensor = self.head(self._features(x).permute(0, 2, 3, 1))
        return cells.squeeze(3)

    def _features(self, x: Tensor) -> Tensor:
        if self.front == "residual":
            x = self.high_pass(x)
        elif self.front == "both":
            x = torch.cat((x, self.high_pass(x)), dim=1)
        features: Tensor = self.backbone(x)
        return features


class PatchEnsemble(nn.Module):
    """Several `PatchNet` of the same options, whose maps of logits are averaged.

    Networks of different training runs err on different generators; the mean of their logits ranks unseen ones better
    than each alone (deep ensembles, arXiv 1612.01474). Cost and memory grow with `members`.
    """

    def __init__(self, members: int = 2, **options: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList(PatchNet(**options) for _ in range(members))

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit a patch, (N,)."""
        return torch.stack([member(x) for member in self.members]).mean(dim=0)

    def forward_map(self, x: Tensor) -> Tensor:
        """Return the mean logit of each cell, (N, h, w)."""
        return torch.stack([member.forward_map(x) for member in self.members]).mean(dim=0)  # type: ignore[operator]


class ResidualNet(nn.Module):
    """A small net of its own on the high-pass residual, without early downsampling (about 0.4 M parameters).

    The first stage keeps full resolution, since upsampling traces live at the pixel period.
    """

    def __init__(self, width: int = 24, drop_rate: float = 0.1) -> None:
        super().__init__()
        self.high_pass = HighPass()
        layers: list[nn.Module] = []
        channels = 3
        for out, stride in ((width, 1), (width * 2, 2), (width * 4, 2), (width * 6, 2), (width * 8, 2)):
            layers += [
                nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU6(),
                nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False),
                nn.Conv2d(out, out, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU6(),
            ]
            channels = out
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit a patch, (N,)."""
        logits: Tensor = self.head(self.dropout(self.body(self.high_pass(x)).mean(dim=(2, 3))))
        return logits.squeeze(1)

    def forward_map(self, x: Tensor) -> Tensor:
        """Return the logit of each cell, (N, H/16, W/16); their mean is the logit of the patch."""
        cells: Tensor = self.head(self.body(self.high_pass(x)).permute(0, 2, 3, 1))
        return cells.squeeze(3)


def create(architecture: str, **options: Any) -> nn.Module:
    """Return an untrained network by the name that a model's config.json states.

    Raises:
        ValueError: Unknown architecture.
    """
    from detect.networks.face.region_net import RegionNet
    from detect.networks.image.statistics_net import StatisticsNet

    builders: dict[str, type[nn.Module]] = {
        "patch_net": PatchNet,
        "patch_ensemble": PatchEnsemble,
        "residual_net": ResidualNet,
        "region_net": RegionNet,
        "statistics_net": StatisticsNet,
    }
    if architecture not in builders:
        raise ValueError(f"unknown image architecture {architecture!r}; known: {', '.join(builders)}")
    return builders[architecture](**options)
