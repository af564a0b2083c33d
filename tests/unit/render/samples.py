"""Hand-made Reports that the tests of render and of the command share."""

from __future__ import annotations

import math
from typing import Any

from detect.types import (
    Contribution,
    ErrorFacts,
    Evidence,
    Finding,
    HeatMap,
    Interval,
    MediaFacts,
    MediaKind,
    ModelRef,
    Operating,
    Reason,
    Region,
    Report,
    Span,
    Stability,
    Status,
    Verdict,
    Where,
)

HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\u202egnp.exe\x07{{7*7}}[bold]"
"""A string that would act in HTML, on a terminal, on the reading direction, in Jinja or in rich if let through."""

MODEL = ModelRef(name="image", version="1.2.0", sha256="ab" * 32)


def authenticity_of(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(log_odds))


def picture_report(**changes: Any) -> Report:
    """Return a Report of a picture with everything that a Report can hold."""
    contributions = (
        Contribution("image.pixels", 2.4, 3.1, "capped at 2.4 nats"),
        Contribution("provenance.c2pa", 0.0, 0.0),
        Contribution("provenance.metadata", 0.35, 0.35),
    )
    log_odds = -0.2 + sum(item.llr for item in contributions)
    fields: dict[str, Any] = {
        "verdict": Verdict.LIKELY_SYNTHETIC,
        "authenticity": authenticity_of(log_odds),
        "interval": Interval(0.03, 0.21),
        "media": MediaFacts(
            name="photo.jpg",
            sha256="cd" * 32,
            bytes=120_500,
            kind=MediaKind.IMAGE,
            format="jpeg",
            mime="image/jpeg",
            width=640,
            height=480,
            notes=(Reason("extension_mismatch", "The name says png, the bytes say jpeg."),),
        ),
        "reasons": (Reason("pixels_point_to_synthetic", "The fine structure of the pixels fits a generator."),),
        "limits": (
            Reason("caption_unchecked", "Whether the caption is true was not looked at."),
            Reason("invisible_marks_unchecked", "Proprietary marks such as SynthID cannot be checked offline."),
        ),
        "evidence": (
            Evidence(
                source="image.pixels",
                status=Status.SCORED,
                llr=3.1,
                interval=Interval(1.6, 4.2),
                reasons=(Reason("pixels_point_to_synthetic", "The fine structure of the pixels fits a generator."),),
                where=Where(
                    regions=(Region(100, 60, 200, 150, 0.92, "strongest patch"),),
                    heat_map=HeatMap(640, 480, ((0.1, 0.2, 0.1, 0.1), (0.3, 0.9, 0.7, 0.1), (0.1, 0.2, 0.1, 0.0))),
                ),
                model=MODEL,
                details={"patches": 12, "p_synthetic_mean": 0.61},
            ),
            Evidence(
                source="provenance.c2pa",
                status=Status.SCORED,
                reasons=(Reason("c2pa_valid_untrusted", "The signature is intact; the signer is not recognised."),),
                details={
                    "levels": {
                        "l1": {"label": "Content Credentials", "state": "signature intact, signer not recognised"},
                        "l2": {
                            "signed_by": "Example Camera Corp",
                            "signed_at": "2026-03-01T10:00:00Z",
                            "actions": ["opened", "colour adjusted"],
                        },
                        "l3": {"title": "photo.jpg", "ingredients": [{"title": "raw.dng", "relationship": "parentOf"}]},
                        "l4": {"codes": ["assertion.dataHash.match", "signingCredential.untrusted"]},
                    }
                },
            ),
            Evidence(
                source="provenance.metadata",
                status=Status.SCORED,
                llr=0.35,
                reasons=(Reason("software_tag", "The Software tag names an editor."),),
            ),
            Evidence(
                source="face.swap",
                status=Status.NOT_APPLICABLE,
                finding=Finding.MANIPULATED,
                reasons=(Reason("no_face", "No face was found."),),
            ),
            Evidence(
                source="watermark.dwt_dct",
                status=Status.FAILED,
                reasons=(Reason("reader_failed", "The reader stopped."),),
            ),
        ),
        "contributions": contributions,
        "prior_log_odds": -0.2,
        "stability": Stability(True, {"jpeg_q50": 0.09, "webp_q60": 0.11, "resize_512": 0.15}),
        "operating": Operating(0.02, 1.9, -1.4, "image-2026-11"),
        "disclosures": {"eu_art50": "none_found", "cn_gb45438": {"label": None}},
        "pipeline": {"witnessmark": "0.1.0", "fingerprint": "ef" * 32},
        "timings_ms": {"decode": 21.0, "image.pixels": 180.0},
        "path": "holiday/photo.jpg",
    }
    return Report(**{**fields, **changes})


def recording_report() -> Report:
    """Return a Report of a recording with flagged spans."""
    return Report(
        verdict=Verdict.LIKELY_MANIPULATED,
        authenticity=authenticity_of(2.0),
        media=MediaFacts(
            name="call.wav",
            sha256="12" * 32,
            bytes=3_200_000,
            kind=MediaKind.AUDIO,
            format="wav",
            mime="audio/wav",
            duration_s=74.0,
            sample_rate_hz=16_000,
            channels=1,
        ),
        evidence=(
            Evidence(
                source="audio.speech",
                status=Status.SCORED,
                llr=2.0,
                finding=Finding.MANIPULATED,
                where=Where(spans=(Span(12.0, 17.5, 0.97, "synthetic speech"), Span(40.0, 44.0, 0.55))),
            ),
        ),
        contributions=(Contribution("audio.speech", 2.0, 2.0),),
        path="call.wav",
    )


def failed_report(path: str = "broken.jpg") -> Report:
    """Return the Report of a file that could not be judged."""
    return Report(
        verdict=Verdict.NOT_APPLICABLE,
        authenticity=None,
        media=None,
        error=ErrorFacts("corrupt_media", "The JPEG ends after 12 of 480 rows."),
        path=path,
    )


def hostile_report() -> Report:
    """Return a Report in which every string that a file controls is hostile."""
    base = picture_report()
    assert base.media is not None
    media = MediaFacts(
        name=HOSTILE,
        sha256="cd" * 32,
        bytes=1,
        kind=MediaKind.IMAGE,
        format="jpeg",
        mime="image/jpeg",
        codec=HOSTILE,
        notes=(Reason("note", HOSTILE),),
    )
    evidence = Evidence(
        source="provenance.c2pa",
        status=Status.SCORED,
        reasons=(Reason("code", HOSTILE),),
        where=Where(regions=(Region(0, 0, 5, 5, 0.5, HOSTILE),), spans=(Span(0.0, 1.0, 0.5, HOSTILE),)),
        model=ModelRef(HOSTILE, HOSTILE, HOSTILE),
        details={HOSTILE: HOSTILE, "levels": {level: {HOSTILE: [HOSTILE]} for level in ("l1", "l2", "l3", "l4")}},
    )
    return Report(
        verdict=Verdict.INCONCLUSIVE,
        authenticity=0.5,
        media=media,
        reasons=(Reason("code", HOSTILE),),
        limits=(Reason("code", HOSTILE),),
        evidence=(evidence,),
        contributions=(Contribution("provenance.c2pa", 0.0, 0.0, HOSTILE),),
        stability=Stability(True, {HOSTILE: 0.5}),
        operating=Operating(0.02, 1.0, -1.0, HOSTILE),
        disclosures={HOSTILE: HOSTILE},
        pipeline={HOSTILE: HOSTILE},
        timings_ms={HOSTILE: 1.0},
        path=HOSTILE,
    )
