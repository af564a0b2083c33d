"""Load a running service from many clients and compare with the library alone on the same files in the same run.

    python benchmarks/serve_load.py --requests 2000 --clients 64 --broken 0.1

`witnessmark serve` runs as a process of its own with its default settings but for the rate limit; clients and library
run in this one. Blocks of service and library alternate, so that both see the same machine, and processor seconds are
counted beside the clock: on a machine that others use, they are the steadier figure. Files are made pictures and
recordings, no two alike, so that no cache answers. Loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from PIL import Image

from detect.client import Client

FORMATS = ("JPEG", "JPEG", "JPEG", "PNG", "WEBP", "JPEG", "JPEG", "WEBP", "JPEG", "WAV")
"""What is sent, in turn: mostly JPEG, as on the web, and one short recording in ten."""


@dataclass(frozen=True)
class Sent:
    """One submission and its end."""

    number: int
    http: int
    id: str
    status: str
    verdict: str
    sha256: str
    seconds: float


def make_file(number: int, side: int, is_broken: bool = False) -> bytes:
    """Return a file that no other number gives."""
    rng = np.random.default_rng(number)
    kind = FORMATS[number % len(FORMATS)]
    sink = io.BytesIO()
    if kind == "WAV":
        t = np.arange(3 * 16_000) / 16_000
        voice = np.sin(2 * np.pi * (110 + number % 90) * t) * (0.3 + 0.2 * np.sin(2 * np.pi * 3 * t))
        soundfile.write(sink, voice + rng.normal(0, 0.02, len(t)), 16_000, format="WAV")
    else:
        coarse = rng.integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
        picture = np.asarray(Image.fromarray(coarse).resize((side, side)), dtype=np.int16)
        grain = rng.integers(-6, 7, picture.shape, dtype=np.int16)
        Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8)).save(sink, kind, quality=85)
    content = sink.getvalue()
    return content[: len(content) // 3] if is_broken and kind != "WAV" else b"RIFF" * 9 if is_broken else content


class Files:
    """The files of a run, made as they are needed."""

    def __init__(self, side: int, broken: float) -> None:
        self.side = side
        self.every = round(1 / broken) if broken else 0

    def __getitem__(self, number: int) -> bytes:
        return make_file(number, self.side, bool(self.every) and number % self.every == self.every // 2)


async def load(base_url: str, files: dict[int, bytes], clients: int) -> list[Sent]:
    """Submit all files; every third call does not wait but asks again, every tenth also reads the list."""
    todo = list(files)[::-1]
    found: list[Sent] = []
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=base_url, timeout=300, limits=limits) as client:

        async def work() -> None:
            while todo:
                number = todo.pop()
                started = time.perf_counter()
                headers = {"Idempotency-Key": f"load-{number}"} | ({} if number % 3 == 0 else {"Prefer": "wait=30"})
                answer = await again(
                    client, "POST", "/v1/analyses", files={"file": (f"{number}.bin", files[number])}, headers=headers
                )
                http, body = answer.status_code, answer.json()
                while body.get("status") in ("queued", "running"):
                    answer = await again(client, "GET", f"/v1/analyses/{body['id']}", headers={"Prefer": "wait=30"})
                    http, body = max(http, answer.status_code), answer.json()
                seconds = time.perf_counter() - started
                found.append(
                    Sent(
                        number,
                        http,
                        body.get("id", ""),
                        body.get("status", ""),
                        body.get("verdict") or "",
                        body.get("sha256") or "",
                        seconds,
                    )
                )
                if number % 10 == 0:
                    (await again(client, "GET", "/v1/analyses", params={"limit": 5})).raise_for_status()

        await asyncio.gather(*(work() for _ in range(clients)))
    return found


async def again(client: httpx.AsyncClient, method: str, url: str, **given: Any) -> httpx.Response:
    """Send a call, again when its connection was cut, as `detect.client` does; a busy machine closes idle ones late."""
    for _ in range(4):
        try:
            return await client.request(method, url, **given)
        except httpx.TransportError:
            await asyncio.sleep(0.5)
    return await client.request(method, url, **given)


class Server:
    """`witnessmark serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        own = {"WITNESSMARK_DATA_DIR": str(folder), "WITNESSMARK_RATE_LIMIT": "1000000/minute"}
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "detect.cli", "serve", "--port", str(port)],
            env={**os.environ, **own, "WITNESSMARK_LOG_LEVEL": "error"},
        )
        with Client(self.url) as client:
            client.wait_until_ready()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def cpu_seconds(root: int) -> float:
    """Return the processor seconds that a process and all its descendants have used."""
    ticks = 0
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = sum(map(int, fields[11:15]))  # own and those of ended children
    for pid in used:
        at = pid
        while at not in (0, root):
            at = parents.get(at, 0)
        ticks += used[pid] if at == root else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--broken", type=float, default=0.1)
    parser.add_argument("--side", type=int, default=768)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--library-share", type=float, default=0.25, help="share of each block that the library gets")
    parser.add_argument("--alone", type=int, default=25, help="files sent one at a time, for the overhead of a call")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            print(json.dumps(run(server, arguments), indent=1))
        finally:
            server.stop()


def run(server: Server, arguments: argparse.Namespace) -> dict[str, Any]:
    from detect.analyzer import Analyzer

    analyzer = Analyzer()
    warm = Files(arguments.side, 0.0)
    list(analyzer.analyze_many([warm[10**6 + n] for n in range(10)]))
    asyncio.run(load(server.url, {10**7 + n: warm[10**7 + n] for n in range(10)}, 10))
    source = Files(arguments.side, arguments.broken)
    sent: list[Sent] = []
    wall, cpu, count = Counter[str](), Counter[str](), Counter[str]()
    library: dict[int, str] = {}
    size = -(-arguments.requests // arguments.blocks)
    contents: dict[int, str] = {}
    for first in range(0, arguments.requests, size):
        files = {number: source[number] for number in range(first, min(first + size, arguments.requests))}
        contents |= {number: hashlib.sha256(content).hexdigest() for number, content in files.items()}
        share = dict(list(files.items())[: max(1, round(len(files) * arguments.library_share))])
        mark = time.perf_counter(), cpu_seconds(server.process.pid), time.process_time()
        sent += asyncio.run(load(server.url, files, arguments.clients))
        note(wall, cpu, count, "service", mark[0], cpu_seconds(server.process.pid) - mark[1], len(files))
        cpu["clients"] += time.process_time() - mark[2]
        mark = time.perf_counter(), cpu_seconds(os.getpid()) - cpu_seconds(server.process.pid), 0.0
        for number, report in zip(share, analyzer.analyze_many(share.values()), strict=True):
            library[number] = report.error.code if report.error else report.verdict.value
        used = cpu_seconds(os.getpid()) - cpu_seconds(server.process.pid) - mark[1]
        note(wall, cpu, count, "library", mark[0], used, len(share))
    return {
        "requests": len(sent),
        **correctness(server, sent, library, contents),
        **rates(sent, wall, cpu, count),
        "one_at_a_time": one_by_one(server, analyzer, warm, arguments.alone),
    }


def note(
    wall: Counter[str], cpu: Counter[str], count: Counter[str], who: str, since: float, used: float, files: int
) -> None:
    wall[who] += time.perf_counter() - since  # type: ignore[assignment]
    cpu[who] += used  # type: ignore[assignment]
    count[who] += files


def correctness(server: Server, sent: list[Sent], library: dict[int, str], contents: dict[int, str]) -> dict[str, Any]:
    """Compare what the clients saw, what the service lists, and what the library says."""
    listed: Counter[str] = Counter()
    cursor: str | None = None
    with httpx.Client(base_url=server.url, timeout=60) as client:
        while True:
            page = client.get("/v1/analyses", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
            listed.update(item["id"] for item in page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    ids = Counter(item.id for item in sent if item.id)
    answers = {item.number: item.verdict or "failed" for item in sent}
    return {
        "http": dict(Counter(item.http for item in sent)),
        "analyses": dict(Counter(item.status for item in sent)),
        "lost": sum(
            not item.id or item.id not in listed or item.status not in ("succeeded", "failed") for item in sent
        ),
        "duplicated": sum(count > 1 for count in (*ids.values(), *listed.values())) + (len(listed) - 10 - len(ids)),
        "mixed_up": sum(item.sha256 != contents[item.number] for item in sent),
        "server_errors": sum(item.http >= 500 for item in sent),
        "answers_unlike_the_library": sum(
            answers[number] != (said if said in VERDICTS else "failed") for number, said in library.items()
        ),
    }


VERDICTS = ("likely_authentic", "likely_synthetic", "likely_manipulated", "inconclusive", "not_applicable")


def rates(sent: list[Sent], wall: Counter[str], cpu: Counter[str], count: Counter[str]) -> dict[str, Any]:
    seconds = sorted(item.seconds for item in sent)
    per_s = {who: count[who] / wall[who] for who in ("service", "library")}
    cpu_ms = {who: 1000 * cpu[who] / count[who] for who in ("service", "library")}
    return {
        "p50_s": round(seconds[len(seconds) // 2], 2),
        "p99_s": round(seconds[int(len(seconds) * 0.99)], 2),
        "service_per_s": round(per_s["service"], 2),
        "library_per_s": round(per_s["library"], 2),
        "share_of_library": round(per_s["service"] / per_s["library"], 3),
        "service_cpu_ms": round(cpu_ms["service"], 1),
        "library_cpu_ms": round(cpu_ms["library"], 1),
        "clients_cpu_ms": round(1000 * cpu["clients"] / count["service"], 1),
        "share_by_cpu": round(cpu_ms["library"] / cpu_ms["service"], 3),
    }


def one_by_one(server: Server, analyzer: Any, files: Files, count: int) -> dict[str, float]:
    """Compare one call at a time with the library on the same picture, in turns, and with the Report's own times."""
    library_ms: list[float] = []
    service_ms: list[float] = []
    beside_ms: list[float] = []
    cpu: Counter[str] = Counter()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for number in range(count):
            content = files[2 * 10**7 + 10 * number]  # JPEG
            began = cpu_seconds(os.getpid()) - cpu_seconds(server.process.pid)
            started = time.perf_counter()
            analyzer.analyze(io.BytesIO(content))
            library_ms.append((time.perf_counter() - started) * 1000)
            served = cpu_seconds(server.process.pid)
            cpu["library"] += cpu_seconds(os.getpid()) - served - began  # type: ignore[assignment]
            started = time.perf_counter()
            answer = client.post("/v1/analyses", files={"file": ("a.jpg", content)}, headers={"Prefer": "wait=30"})
            service_ms.append((time.perf_counter() - started) * 1000)
            cpu["service"] += cpu_seconds(server.process.pid) - served  # type: ignore[assignment]
            beside_ms.append(service_ms[-1] - sum(answer.json()["report"]["timings_ms"].values()))
    differences = [there - here for here, there in zip(library_ms, service_ms, strict=True)]
    return {
        "library_p50_ms": round(statistics.median(library_ms), 1),
        "service_p50_ms": round(statistics.median(service_ms), 1),
        "overhead_p50_ms": round(statistics.median(differences), 1),
        "beside_the_analysis_p50_ms": round(statistics.median(beside_ms), 1),
        "overhead_cpu_ms": round(1000 * (cpu["service"] - cpu["library"]) / count, 1),
    }


if __name__ == "__main__":
    main()
