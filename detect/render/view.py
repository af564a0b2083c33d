"""What a page shows of one Report, prepared so that templates only lay out and never compute."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from detect.render import pictures, words
from detect.render.audio import Say, Sound, render_audio_section
from detect.render.clip import ClipView, build_clip
from detect.render.heatmap import HeatMapAnnotator
from detect.render.json import dumps
from detect.render.ledger import Ledger, build_ledger
from detect.render.levels import Level, flat_lines, label, read_levels
from detect.render.places import Place, Timeline, build_timeline, highest_cells, outlined, region_places
from detect.serialize import to_plain
from detect.text import clean_tree
from detect.types import Evidence, HeatMap, ModelRef, Reason, Report, UInt8Array

_OVERLAY = HeatMapAnnotator(opacity=1.0)  # the page's slider does the fading
MAX_GRID_CELLS_LISTED = 1024
"""Above this the full table of a heat map is left to the JSON."""

_CODE = re.compile("[a-z_]+")
_DISCLOSURE_TITLES = {"eu_art50": "EU AI Act, Article 50", "cn_gb45438": "China, GB 45438-2025"}


@dataclass(frozen=True)
class MapView:
    """A heat map with its overlay and its twins in words."""

    overlay_uri: Markup | None
    cells: tuple[Place, ...]
    grid: tuple[tuple[float, ...], ...]
    summary: str


@dataclass(frozen=True)
class EvidenceView:
    """One kind of evidence with everything that is shown of it."""

    evidence: Evidence
    title: str
    status: str
    effect: str
    is_provenance: bool
    heat_map: MapView | None
    regions: tuple[Place, ...]
    outlines: tuple[Place, ...]
    timeline: Timeline | None
    levels: tuple[Level, ...]
    details_json: str


@dataclass(frozen=True)
class ReportView:
    """One Report with everything that is shown of it; `anchor` is unique on its page."""

    anchor: str
    report: Report
    name: str
    noun: str
    verdict_title: str
    verdict_symbol: str
    verdict_class: str
    sentence: str
    reasons: tuple[Reason, ...]
    media_line: str
    picture_uri: Markup | None
    picture_size: tuple[int, int]
    evidence: tuple[EvidenceView, ...]
    ledger: Ledger
    models: tuple[ModelRef, ...]
    disclosures: tuple[tuple[str, str], ...]
    pipeline: tuple[tuple[str, str], ...]
    json_uri: Markup
    clip: ClipView | None
    sound: Markup | None


def build_view(
    report: Report,
    *,
    anchor: str,
    pixels_rgb: UInt8Array | None = None,
    max_side: int = 1200,
    stills: Sequence[tuple[float, UInt8Array]] = (),
    sound: Sound | None = None,
    player_url: str = "",
    say: Say = str,
) -> ReportView:
    """Prepare one Report for a page.

    Args:
        report: The Report.
        anchor: Identifier of its section, unique on the page, of letters, digits and hyphens.
        pixels_rgb: The upright picture, (H, W, 3) uint8, when the page is to show it with its heat map.
        max_side: Longer side in pixels to which the shown picture is shrunk.
        stills: Frames of a clip to show beside its time axis, (seconds, (H, W, 3) uint8) each.
        sound: The judged channel of a recording, when the page is to show and play it.
        player_url: Where a served page finds the sound; without one it is put into the page.
        say: Puts the texts of the sound's section into the language of the page; English if left out.
    """
    shown = pictures.shrink(pixels_rgb, max_side=max_side) if pixels_rgb is not None else None
    media = report.media
    size = (media.width or 1, media.height or 1) if media else (1, 1)
    return ReportView(
        anchor=anchor,
        report=report,
        name=(media.name if media else "") or report.path or "file",
        noun=words.noun(report),
        verdict_title=words.verdict_title(report),
        verdict_symbol=words.verdict_symbol(report),
        verdict_class="error" if report.error else report.verdict.value.replace("_", "-"),
        sentence=words.verdict_sentence(report),
        reasons=words.telling_reasons(report),
        media_line=words.media_line(media) if media else "",
        picture_uri=Markup(pictures.jpeg_uri(shown)) if shown is not None else None,  # noqa: S704 - base64 of our own
        picture_size=size,
        evidence=tuple(_evidence_view(item, report, shown=shown, size=size) for item in report.evidence),
        ledger=build_ledger(report),
        models=tuple(dict.fromkeys(item.model for item in report.evidence if item.model)),
        disclosures=disclosure_lines(report.disclosures),
        pipeline=tuple(flat_lines(report.pipeline)),
        clip=build_clip(report, stills),
        sound=_sound_section(report, sound, player_url, say) if sound is not None else None,
        json_uri=Markup(pictures.data_uri(dumps(report, is_pretty=True).encode(), mime="application/json")),  # noqa: S704
    )


def disclosure_lines(disclosures: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the legal marks of a Report as (title, words): codes such as `none_found` are put into words."""
    return tuple(
        (title[:1].upper() + title[1:], label(text) if _CODE.fullmatch(text) else text)
        for name, value in disclosures.items()
        for title, text in flat_lines(value, prefix=_DISCLOSURE_TITLES.get(name, name))
    )


def _sound_section(report: Report, sound: Sound, player_url: str, say: Say) -> Markup:
    return Markup(render_audio_section(report, sound, player_url=player_url, say=say))  # noqa: S704 - escaped there


def _evidence_view(item: Evidence, report: Report, *, shown: UInt8Array | None, size: tuple[int, int]) -> EvidenceView:
    added = next((row for row in build_ledger(report).rows if row.source == item.source), None)
    regions = region_places(item.where.regions, width=size[0], height=size[1])
    details = _without_pictures({key: value for key, value in item.details.items() if key != "levels"})
    return EvidenceView(
        evidence=item,
        title=words.source_title(item.source),
        status=words.STATUS_TITLES[item.status],
        effect=words.effect(added.llr, item.finding) if added else "",
        is_provenance=words.is_provenance(item.source),
        heat_map=_map_view(item.where.heat_map, shown=shown) if item.where.heat_map else None,
        regions=regions,
        outlines=() if item.where.heat_map else outlined(regions),  # a map says it better
        timeline=build_timeline(item.where.spans, duration_s=report.media.duration_s if report.media else None),
        levels=read_levels(item),
        details_json=json.dumps(clean_tree(to_plain(details)), indent=2, ensure_ascii=False) if details else "",
    )


def _without_pictures(content: Any) -> Any:
    """Return nested details without the pictures in them, which the timeline shows: as text they are noise."""
    if isinstance(content, Mapping):
        kept = {key: _without_pictures(value) for key, value in content.items()}
        return {key: value for key, value in kept.items() if value is not None or content[key] is None}
    if isinstance(content, list | tuple):
        return [_without_pictures(item) for item in content]
    return None if isinstance(content, str) and content.startswith("data:") else content


def _map_view(heat_map: HeatMap, *, shown: UInt8Array | None) -> MapView:
    cells = highest_cells(heat_map)
    uri = None
    if shown is not None:
        overlay = _OVERLAY.overlay(heat_map, width=shown.shape[1], height=shown.shape[0])
        uri = Markup(pictures.png_uri(overlay))  # noqa: S704 - base64 of our own
    is_small = len(heat_map.grid) * len(heat_map.grid[0]) <= MAX_GRID_CELLS_LISTED
    return MapView(
        overlay_uri=uri,
        cells=cells,
        grid=heat_map.grid if is_small else (),
        summary=f"highest at {cells[0].words}, {words.score(cells[0].p_synthetic)}",
    )
