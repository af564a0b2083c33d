"""`/v1/models`: what judges here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.routes.analyses import Reader
from api.schemas import ModelBody, ModelsBody
from api.state import service_of
from detect.networks.zoo import ModelFolder, list_models

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_model=ModelsBody)
async def get_models(request: Request, caller: Reader) -> ModelsBody:
    """List the models with their measured errors, and the fingerprint of the pipeline."""
    service = service_of(request)
    models = await run_in_threadpool(_bodies, service.settings.models_dir)
    return ModelsBody(fingerprint=service.store.fingerprint, models=models)


def _bodies(folder: Path | None) -> list[ModelBody]:
    return [_body(model) for model in list_models(folder)]


def _body(model: ModelFolder) -> ModelBody:
    return ModelBody(
        name=model.name,
        version=str(model.config["version"]),
        kind=str(model.config["kind"]),
        sha256=model.ref.sha256,
        license=str(model.config["license"]),
        metrics=_read(model.path / "metrics.json"),
        error_card=_read(model.path / "error_card.json"),
    )


def _read(path: Path) -> dict[str, Any] | None:
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
