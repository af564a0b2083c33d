"""Every knob of the service in one class: environment variables, a TOML file, or arguments.

Order: arguments, then `WITNESSMARK_<NAME>` in the environment, then the TOML file that `WITNESSMARK_CONFIG` names.
Lists are JSON in the environment: `WITNESSMARK_CORS_ORIGINS='["https://tool.example"]'`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

MIB = 1024 * 1024
DAY_S = 86_400
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "witnessmark"


class Settings(BaseSettings):
    """Settings of the service; sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="WITNESSMARK_", extra="forbid", frozen=True)

    # ---- where things lie
    data_dir: Path = Field(default_factory=_data_dir, description="Folder of the database and of uploaded files.")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty = SQLite in `data_dir`.")
    blobs_url: str = Field(
        default="", description="fsspec URL of the folder for uploaded files; empty = in `data_dir`."
    )
    models_dir: Path | None = Field(default=None, description="A folder of model folders instead of the shipped one.")

    # ---- where it listens, and who may call
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on; 0 = any free one.")
    require_key: bool | None = Field(
        default=None,
        description="Ask for an API key; None = always, but for a loopback `host` without `allowed_hosts`.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list, description="Host names the service answers to besides loopback and `host`."
    )
    cors_origins: list[str] = Field(default_factory=list, description="Origins whose pages may call the API.")
    rate_limit: str = Field(
        default="600/minute", description="Calls that cost work (submitting, drawing), for each key or address."
    )

    # ---- what a call may cost
    max_upload_bytes: int = Field(default=256 * MIB, gt=0, description="Largest file, enforced while it streams in.")
    upload_timeout_s: float = Field(default=600.0, gt=0, description="Longest time that one body may take to arrive.")
    max_wait_s: float = Field(default=30.0, ge=0, le=300, description="Longest `Prefer: wait=N` that is honoured.")
    max_queue: int = Field(default=10_000, gt=0, description="Unfinished jobs at which new ones are refused with 503.")
    max_batch_items: int = Field(default=5000, gt=0, description="Lines of one batch; never more than `max_queue`.")
    max_batch_bytes: int = Field(default=16 * MIB, gt=0, description="Largest JSONL body of a batch.")

    # ---- workers
    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda` or `cuda:N`.")
    max_false_positive_rate: float = Field(
        default=0.02, gt=0, le=0.5, description="Accepted share of false accusations."
    )
    check_stability: bool = Field(
        default=True, description="Also score re-shipped copies and abstain when verdicts flip."
    )
    engine: Literal["local", "ray"] = Field(
        default="local", description="`local`: the worker's own process judges; `ray`: replicas on a Ray cluster do."
    )
    ray_address: str = Field(
        default="", description="Head node of the cluster; empty = RAY_ADDRESS, or a cluster inside the worker."
    )
    ray_min_replicas: int = Field(default=1, ge=0, description="Replicas that always stand ready.")
    ray_max_replicas: int = Field(default=1, ge=1, description="Replicas at full load.")
    ray_cpus: int = Field(default=1, ge=1, description="Cores of a replica.")
    ray_gpus: float = Field(default=0.0, ge=0, description="GPUs of a replica; fractions share one.")
    lease_s: float = Field(
        default=30.0, gt=0.2, description="A job whose worker is silent for this long is taken up again."
    )
    poll_s: float = Field(
        default=0.25, gt=0, description="How often idle workers and waiting calls look at the database."
    )
    max_attempts: int = Field(default=3, ge=1, description="Times a job may lose its worker before it fails.")
    job_timeout_s: float = Field(
        default=3600.0, gt=0, description="A job that is under way for longer is taken to be stuck, and taken up again."
    )
    drain_s: float = Field(default=30.0, ge=0, description="Time that a shutdown gives to running jobs.")
    fetchers: int = Field(default=4, ge=1, le=64, description="URLs fetched at the same time by one worker.")

    # ---- retention
    keep_files_s: float = Field(
        default=DAY_S, ge=0, description="Uploaded files are erased this long after the result."
    )
    keep_results_s: float = Field(default=30 * DAY_S, gt=0, description="Results are erased after this time.")
    zero_retention: bool = Field(
        default=False,
        description="Treat every call as `zero_retention`: no file, name or cache entry outlives the analysis.",
    )
    zero_retention_result_s: float = Field(default=300.0, gt=0, description="How long such a result can be fetched.")
    idempotency_s: float = Field(default=DAY_S, gt=0, description="How long an `Idempotency-Key` is remembered.")

    # ---- what leaves the machine
    fetch_urls: bool = Field(default=False, description="Accept URLs instead of files; guarded against SSRF.")
    fetch_http: bool = Field(default=False, description="Also plain http.")
    fetch_timeout_s: float = Field(default=20.0, gt=0, description="For one fetch with all redirects.")
    webhooks: bool = Field(default=False, description="Accept `webhook_url`.")
    webhook_secrets: list[SecretStr] = Field(
        default_factory=list, description="`whsec_...` secrets; the first is current, the others sign during rotation."
    )

    # ---- operations
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`."
    )
    metrics: bool = Field(default=True, description="Offer `/metrics`.")
    otel: bool = Field(
        default=False, description="Trace with OpenTelemetry (extra `otel`), configured by its own variables."
    )

    @field_validator("webhook_secrets")
    @classmethod
    def _check_secrets(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if any(not item.get_secret_value().startswith("whsec_") for item in secrets):
            raise ValueError("a webhook secret starts with whsec_ (Standard Webhooks)")
        return secrets

    @property
    def needs_key(self) -> bool:
        """Whether a call without a key is refused."""
        if self.require_key is not None:
            return self.require_key
        # A service behind a reverse proxy sees only loopback callers; the name it answers to gives the proxy away.
        return self.host not in LOOPBACK or bool(self.allowed_hosts)

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'service.db'}"

    @property
    def blobs(self) -> str:
        """The fsspec URL in force."""
        return self.blobs_url or str(self.data_dir / "blobs")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, environment and the TOML file, in this order."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if config := os.environ.get("WITNESSMARK_CONFIG"):
            sources += (TomlConfigSettingsSource(settings_cls, toml_file=config),)
        return sources
