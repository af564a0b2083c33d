"""Where models run: in this process, or on a cluster; nothing else knows which.

`Engine.run(model, items)` is the whole contract. `LocalEngine`, the default, needs nothing; Ray's part stands in
`detect.engine.ray` behind the extra `scale`.
"""

from __future__ import annotations

from detect.engine.base import Engine
from detect.engine.local import LocalEngine, shared_engine

__all__ = ["Engine", "LocalEngine", "shared_engine"]
