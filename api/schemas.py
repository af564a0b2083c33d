"""What goes over the wire, beside the Report, whose schema is the library's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.database import Analysis, ApiKey, Batch

REPORT_COMPONENT = "Report"
ReportBody = Annotated[dict[str, Any], WithJsonSchema({"$ref": f"#/components/schemas/{REPORT_COMPONENT}"})]
StatusWord = Literal["queued", "running", "succeeded", "failed", "expired"]


class Body(BaseModel):
    """Base of request bodies: what is not known is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class UrlRequest(Body):
    """A file to fetch and judge."""

    url: str = Field(max_length=4096, examples=["https://example.org/photo.jpg"])
    webhook_url: str | None = Field(default=None, max_length=4096, description="Where to post the result.")
    zero_retention: bool = Field(default=False, description="Keep no file, name or cache entry beyond the analysis.")


class ErrorBody(BaseModel):
    """Why an analysis failed; codes are those of `detect.errors` and stable."""

    code: str = Field(examples=["corrupt_media"])
    detail: str


class AnalysisBody(BaseModel):
    """One analysis. `status` says how far it is, `verdict` what came out; `report` holds everything."""

    id: str = Field(examples=["an_0005f1c2d3e4a5b0123456789abcdef"])
    status: StatusWord
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    name: str
    sha256: str | None
    size: int | None
    verdict: str | None = Field(examples=["inconclusive"])
    authenticity: float | None = Field(description="In [0, 1]; 1 = authentic. Null when nothing could be scored.")
    is_cached: bool = Field(description="The result of an earlier analysis of the same bytes by the same pipeline.")
    zero_retention: bool
    batch_id: str | None
    error: ErrorBody | None
    files_until: datetime | None = Field(description="When the uploaded file is erased.")
    results_until: datetime | None = Field(description="When the result is erased.")
    links: dict[str, str]
    report: ReportBody | None = None


class AnalysisPage(BaseModel):
    """A part of the list, newest first; reports are left out."""

    items: list[AnalysisBody]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next part; null at the end.")


class BatchBody(BaseModel):
    """How far a batch is."""

    id: str
    status: Literal["running", "succeeded"]
    created_at: datetime
    total: int
    counts: dict[str, int]
    links: dict[str, str]


class ScoreBody(BaseModel):
    """One step of time with its score, which is null where nothing was judged."""

    start_s: float
    end_s: float
    p_synthetic: float | None = Field(description="In [0, 1]; the mean of what was judged in this step.")


class LaneBody(BaseModel):
    """One row of a timeline: the frames, one face, or the sound."""

    source: str = Field(examples=["video.frames"])
    face: int | None = Field(description="Number of the face, from 1, where the evidence follows faces.")
    scores: list[ScoreBody]


class SpanBody(BaseModel):
    """A stretch of time that stands out."""

    start_s: float
    end_s: float
    p_synthetic: float | None
    label: str


class SpansBody(BaseModel):
    """The stretches of one evidence."""

    source: str = Field(examples=["audio.speech"])
    spans: list[SpanBody]


class TimelineBody(BaseModel):
    """What a report says over time; without lanes and stretches for a still picture."""

    duration_s: float | None
    step_s: float = Field(description="Length of the steps of all lanes; a second, but for very long media.")
    lanes: list[LaneBody]
    evidence: list[SpansBody]


class ProvenanceBody(BaseModel):
    """Where a file says it comes from; needs no model."""

    sha256: str
    size: int
    kind: str
    format: str
    mime: str
    evidence: list[dict[str, Any]]
    disclosures: dict[str, Any]


class ModelBody(BaseModel):
    """A model that judges here."""

    name: str
    version: str
    kind: str
    sha256: str
    license: str
    metrics: dict[str, Any] | None = Field(description="What its card quotes, as measured.")
    error_card: dict[str, Any] | None = Field(description="How often it errs, by source of real and kind of generated.")


class ModelsBody(BaseModel):
    """The models and the fingerprint of the whole pipeline, which keys the cache."""

    fingerprint: str
    models: list[ModelBody]


class KeyBody(BaseModel):
    """An API key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ProblemBody(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:witnessmark:problem:unsupported_media"])
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(examples=["unsupported_media"])
    errors: list[dict[str, Any]] | None = None


class HealthBody(BaseModel):
    """Whether the service can work, and what it is waiting for."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, bool] = Field(default_factory=dict)


def analysis_body(row: Analysis, *, is_full: bool = True) -> AnalysisBody:
    """Return the wire form of an analysis."""
    path = f"/v1/analyses/{row.id}"
    links = {"self": path}
    report = row.report if is_full else None
    if row.status == "succeeded":
        links |= {name: f"{path}/{name}" for name in ("report.json", "report.html", "timeline.json")}
        if report is not None and any(item["where"]["heat_map"] for item in report["evidence"]):
            links["heatmap.png"] = f"{path}/heatmap.png"
    return AnalysisBody(
        id=row.id,
        status=row.status,  # type: ignore[arg-type]  # checked by pydantic
        created_at=moment(row.created_at),
        started_at=moment_or_none(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        name=row.name,
        sha256=row.sha256,
        size=row.size,
        verdict=row.verdict,
        authenticity=row.authenticity,
        is_cached=row.is_cached,
        zero_retention=row.zero_retention,
        batch_id=row.batch_id,
        error=ErrorBody(code=row.error_code, detail=row.error_detail or "") if row.error_code else None,
        files_until=moment_or_none(row.files_until) if row.blob else None,
        results_until=moment_or_none(row.results_until),
        links=links,
        report=report,
    )


def batch_body(row: Batch, counts: dict[str, int]) -> BatchBody:
    """Return the wire form of a batch; erased analyses count as ended."""
    is_open = any(counts.get(status) for status in ("queued", "running"))
    path = f"/v1/batches/{row.id}"
    return BatchBody(
        id=row.id,
        status="running" if is_open else "succeeded",
        created_at=moment(row.created_at),
        total=row.total,
        counts=counts,
        links={"self": path, "results.jsonl": f"{path}/results.jsonl", "results.parquet": f"{path}/results.parquet"},
    )


def key_body(row: ApiKey) -> KeyBody:
    """Return the wire form of a key."""
    return KeyBody(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        created_at=moment(row.created_at),
        expires_at=moment_or_none(row.expires_at),
        revoked_at=moment_or_none(row.revoked_at),
    )


def moment(seconds: float) -> datetime:
    """Return Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    """Return Unix seconds as a time in UTC, None for None."""
    return None if seconds is None else moment(seconds)
