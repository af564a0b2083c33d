"""Load a running service from many clients and compare with the library alone on the same files in the same run.

    python benchmarks/serve_load.py --requests 2000 --clients 64 --broken 0.1            # the real Analyzer
    python benchmarks/serve_load.py --requests 2000 --clients 64 --judge-ms 5            # overhead alone

Loopback only; server, clients and judge share this machine's processors. Files are small made pictures, no two alike,
so that no cache answers. With `--judge-ms` a judge that only sleeps stands for the model.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from PIL import Image

from api.app import create_app, make_analyzer, make_service
from api.logs import configure
from api.settings import Settings


def make_file(number: int, side: int, is_broken: bool) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(sink, "JPEG", quality=85)
    content = sink.getvalue()
    return content[: len(content) // 3] if is_broken else content


async def load(base_url: str, files: list[bytes], clients: int) -> list[tuple[int, str, str, float]]:
    """Submit all files; returns (HTTP status, id, analysis status, seconds) for each."""
    queue = list(enumerate(files))[::-1]
    results: list[tuple[int, str, str, float]] = []
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=base_url, timeout=120, limits=limits) as client:

        async def work() -> None:
            while queue:
                number, content = queue.pop()
                started = time.perf_counter()
                answer = await client.post(
                    "/v1/analyses", files={"file": (f"{number}.jpg", content)}, headers={"Prefer": "wait=30"}
                )
                body = answer.json()
                while answer.status_code == 202 or body.get("status") in ("queued", "running"):
                    answer = await client.get(f"/v1/analyses/{body['id']}", headers={"Prefer": "wait=30"})
                    body = answer.json()
                elapsed = time.perf_counter() - started
                results.append((answer.status_code, body.get("id", ""), body.get("status", ""), elapsed))

        await asyncio.gather(*(work() for _ in range(clients)))
    return results


def serve(service: Any) -> tuple[uvicorn.Server, threading.Thread, str]:
    server = uvicorn.Server(
        uvicorn.Config(create_app(service=service), host="127.0.0.1", port=0, log_level="error", access_log=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    return server, thread, f"http://127.0.0.1:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--broken", type=float, default=0.1)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--judge-ms", type=float, default=0.0)
    arguments = parser.parse_args()
    configure("error")
    every = round(1 / arguments.broken) if arguments.broken else 0
    files = [make_file(n, arguments.side, bool(every) and n % every == 0) for n in range(arguments.requests)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), rate_limit="1000000/minute", max_queue=100_000)
        judge = make_judge(arguments.judge_ms, settings)
        warm_files = [make_file(10**6 + n, arguments.side, False) for n in range(2)]
        list(judge.analyze_many(map(io.BytesIO, warm_files)))
        started = time.perf_counter()
        library = Counter(
            "failed" if report.error else "succeeded" for report in judge.analyze_many(map(io.BytesIO, files))
        )
        library_s = time.perf_counter() - started
        server, thread, url = serve(make_service(settings, make_judge=lambda: judge))
        started = time.perf_counter()
        results = asyncio.run(load(url, files, arguments.clients))
        service_s = time.perf_counter() - started
        alone = one_by_one(url, judge, arguments.side)
        server.should_exit = True
        thread.join()
    print(json.dumps(summary(results, library, library_s, service_s, alone), indent=1))


def make_judge(judge_ms: float, settings: Settings) -> Any:
    if not judge_ms:
        return make_analyzer(settings)
    from serve_kill import SleepingJudge

    return SleepingJudge(judge_ms / 1000)


def one_by_one(url: str, judge: Any, side: int, count: int = 20) -> dict[str, float]:
    """Compare one call at a time with the library on the same file; alternating, so that both see the same machine."""
    library_ms: list[float] = []
    service_ms: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(count):
            content = make_file(2 * 10**6 + number, side, False)
            started = time.perf_counter()
            judge.analyze(io.BytesIO(content))
            middle = time.perf_counter()
            client.post("/v1/analyses", files={"file": ("a.jpg", content)}, headers={"Prefer": "wait=30"})
            library_ms.append((middle - started) * 1000)
            service_ms.append((time.perf_counter() - middle) * 1000)
    differences = [there - here for here, there in zip(library_ms, service_ms, strict=True)]
    return {
        "library_p50_ms": round(statistics.median(library_ms), 1),
        "service_p50_ms": round(statistics.median(service_ms), 1),
        "overhead_p50_ms": round(statistics.median(differences), 1),
    }


def summary(
    results: list[tuple[int, str, str, float]],
    library: Counter[str],
    library_s: float,
    service_s: float,
    alone: dict[str, float],
) -> dict[str, Any]:
    seconds = sorted(item[3] for item in results)
    ids = [item[1] for item in results if item[1]]
    return {
        "requests": len(results),
        "http": dict(Counter(item[0] for item in results)),
        "analyses": dict(Counter(item[2] for item in results)),
        "library_analyses": dict(library),
        "lost": len(results) - len(ids),
        "duplicated": len(ids) - len(set(ids)),
        "server_errors": sum(item[0] >= 500 for item in results),
        "p50_s": round(seconds[len(seconds) // 2], 3),
        "p99_s": round(seconds[int(len(seconds) * 0.99)], 3),
        "library_per_s": round(len(results) / library_s, 2),
        "service_per_s": round(len(results) / service_s, 2),
        "share_of_library": round(library_s / service_s, 3),
        "one_by_one": alone,
    }


if __name__ == "__main__":
    main()
