"""Join a Ray cluster, or start one that lives in this process."""

from __future__ import annotations

import os
from typing import Any

from detect.errors import EngineError, MissingExtraError

_OWN_CLUSTER = {"RAY_worker_niceness": "0", "RAY_worker_register_timeout_seconds": "300"}
"""For a cluster inside this process. Ray starts actors at niceness 15 and gives up on one that is not there after 60 s:
beside other work on a busy machine the first starves an actor and the second ends it."""


def connect(address: str | None = None) -> Any:  # the module `ray`, whose types are known only where it is installed
    """Return Ray, connected.

    Without an address, and without `RAY_ADDRESS` in the environment, a cluster of this machine is started: on loopback,
    without a dashboard, ending with this process. Ray's usage statistics stay off unless the environment asks for them.

    Args:
        address: `HOST:PORT` of a head node, or `auto` for the one of this machine.

    Raises:
        MissingExtraError: Ray is not installed.
        EngineError: The cluster cannot be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its future default; silences a warning
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "a cluster needs Ray, which is not installed; install it with: pip install 'witnessmark[scale]'"
        ) from error
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {"address": address}
    if address is None:
        # `local`, or Ray would join whatever cluster it finds on this machine.
        options = {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        for name, value in _OWN_CLUSTER.items():
            os.environ.setdefault(name, value)
    try:
        ray.init(log_to_driver=False, configure_logging=False, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise EngineError(f"no Ray cluster at {address or 'this machine'}: {error}") from error
    return ray
