"""The published JSON schema: current, strict where it matters, and true of Reports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from detect.render.json import dumps
from detect.render.schema import report_schema
from detect.types import SCHEMA_VERSION, Operating, Report
from tests.unit.render.samples import failed_report, picture_report, recording_report

PUBLISHED = Path(__file__).parents[3] / "docs" / "report.schema.json"


def errors_of(data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(report_schema())
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(data)]


def test_published_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == report_schema(), "run: make schema"


def test_schema_is_itself_valid_and_states_its_version() -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(SCHEMA_VERSION)


@pytest.mark.parametrize(
    "report", [picture_report(), recording_report(), failed_report()], ids=lambda report: report.path
)
def test_reports_satisfy_the_schema(report: Report) -> None:
    assert errors_of(json.loads(dumps(report))) == []


def test_thresholds_that_are_never_reached_satisfy_the_schema() -> None:
    never = Operating(0.02, float("inf"), float("-inf"), "none")
    assert errors_of(json.loads(dumps(dataclasses.replace(picture_report(), operating=never)))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "fake"),
        (("authenticity",), 1.2),
        (("authenticity",), "0.5"),
        (("media", "sha256"), "abc"),
        (("evidence", 0, "status"), "maybe"),
        (("evidence", 0, "where", "heat_map", "grid"), [["x"]]),
        (("operating", "max_false_positive_rate"), 0.7),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else repr(value),
)
def test_wrong_values_are_refused(path: tuple[str | int, ...], value: object) -> None:
    data = json.loads(dumps(picture_report()))
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert errors_of(data)


def test_missing_field_is_refused_and_added_field_is_not() -> None:
    data = json.loads(dumps(picture_report()))
    assert errors_of({**data, "later": 1}) == []
    del data["limits"]
    assert errors_of(data)


def test_every_field_of_the_report_is_described() -> None:
    undescribed = [
        name
        for name, schema in report_schema()["properties"].items()
        if "description" not in schema and name not in ("media", "reasons", "stability", "operating")
    ]
    assert undescribed == []
