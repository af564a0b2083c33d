"""What schemathesis is told beside the OpenAPI document; see `tests/e2e/schemathesis.toml`."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of(ctx: object, value: object) -> bytes:
    """JSON Lines are text; what is generated is sent as it is, or as one line."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
