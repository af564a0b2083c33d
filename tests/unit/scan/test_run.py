"""A scan as a whole: rows in order, resume after any end, one answer a content, and deaths that cost nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect.errors import ConfigError, EngineError
from detect.scan import scan
from detect.scan.items import Item
from detect.scan.parts import Parts
from detect.scan.processes import Processes
from detect.scan.rows import schema
from tests.unit.scan import workers
from tests.unit.scan.conftest import picture


def table_of(path, *, without=("elapsed_ms",)):
    table = pq.read_table(path)
    assert table.schema.names == schema().names
    return table.drop_columns(list(without)).to_pylist()


def echoing(plan, known, *, target=workers.echo):
    return Processes(plan.settings, known=known, count=plan.processes, chunk_items=plan.chunk_items, target=target)


def list_of(tmp_path, names, name="list.txt"):
    path = tmp_path / name
    path.write_text("\n".join(names))
    return path


# ---------------------------------------------------------------- real files, random model


@pytest.mark.slow
def test_every_file_is_a_row_in_order_with_errors_and_duplicates(pictures, make_plan):
    plan = make_plan(pictures)
    seen = []
    summary = scan(plan, on_progress=lambda summary: seen.append(summary.rows))
    rows = table_of(plan.out)
    assert [row["name"].rpartition("/")[2] for row in rows] == [
        *("0.png", "1.png", "2.png", "3.png", "again.png", "broken.jpg", "empty.gif")
    ]
    assert [row["index"] for row in rows] == list(range(7))
    assert [row["error_code"] for row in rows] == [None] * 5 + ["corrupt_media", "media_too_short"]
    again, first = rows[4], rows[1]
    assert again["duplicate_of"] == first["name"]
    assert (again["report"], again["authenticity"]) == (None, first["authenticity"])
    assert all(row["report"] for row in rows[:4])
    assert (summary.rows, summary.duplicates, summary.errors.total()) == (7, 1, 2)
    assert seen == sorted(seen)
    assert not plan.work.exists()


@pytest.mark.slow
def test_two_processes_give_the_same_table_as_one_and_as_the_analyzer(pictures, make_plan, tmp_path):
    import detect
    from detect.analyzer import Analyzer

    one, two = make_plan(pictures), make_plan(pictures, processes=2, out=tmp_path / "two.parquet")
    scan(one)
    scan(two)
    assert table_of(one.out) == table_of(two.out)
    report = Analyzer(one.settings).analyze(pictures / "2.png")
    row = table_of(one.out)[2]
    assert row["authenticity"] == report.authenticity
    assert row["sha256"] == report.media.sha256
    assert detect.report_from_dict(__import__("json").loads(row["report"])).evidence == report.evidence


def test_without_a_model_nothing_is_scanned(pictures, make_plan, tmp_path):
    from dataclasses import replace

    plan = make_plan(pictures)
    empty = replace(plan, settings=replace(plan.settings, models_dir=tmp_path / "none"))
    with pytest.raises(EngineError, match="unknown_model"):
        scan(empty)


# ---------------------------------------------------------------- stand-in processes


def test_rows_keep_the_order_of_the_source_whatever_the_processes_do(make_plan, tmp_path):
    names = [f"{number}.png" for number in range(137)]
    plan = make_plan(list_of(tmp_path, names), processes=3, chunk_items=5, part_rows=20)
    scan(plan, make_executor=echoing)
    assert [row["name"] for row in table_of(plan.out)] == names


def test_the_first_of_a_content_is_first_in_the_source(make_plan, tmp_path):
    names = [f"{number % 4}#{number}" for number in range(40)]
    plan = make_plan(list_of(tmp_path, names), processes=2, chunk_items=3, part_rows=7)
    summary = scan(plan, make_executor=echoing)
    rows = table_of(plan.out)
    assert [row["duplicate_of"] for row in rows] == [None] * 4 + [
        f"{number % 4}#{number % 4}" for number in range(4, 40)
    ]
    assert summary.duplicates == 36


def test_a_scan_goes_on_where_it_was_interrupted(make_plan, tmp_path):
    names = [f"{number % 30}#{number}" for number in range(60)]
    plan = make_plan(list_of(tmp_path, names), part_rows=10)

    def stop(summary):
        if summary.rows >= 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(plan, make_executor=echoing, on_progress=stop)
    assert plan.work.is_dir()
    summary = scan(plan, make_executor=echoing)
    assert summary.resumed >= 25
    rows = table_of(plan.out)
    assert [row["name"] for row in rows] == names
    assert [row["duplicate_of"] for row in rows] == [None] * 30 + names[:30]


def test_a_finished_scan_is_not_done_again(make_plan, tmp_path):
    plan = make_plan(list_of(tmp_path, ["a", "b"]))
    scan(plan, make_executor=echoing)
    before = plan.out.stat().st_mtime_ns
    summary = scan(plan, make_executor=lambda *_: pytest.fail("nothing is left to judge"))
    assert (summary.rows, summary.resumed) == (2, 2)
    assert plan.out.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["source", "settings", "file"])
def test_a_scan_never_goes_on_with_something_else(make_plan, tmp_path, change):
    from dataclasses import replace

    source = list_of(tmp_path, [str(number) for number in range(30)])
    plan = make_plan(source, part_rows=5)
    with pytest.raises(KeyboardInterrupt):
        scan(plan, make_executor=echoing, on_progress=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    if change == "source":
        source.write_text("\n".join(["new", *map(str, range(30))]))
    elif change == "settings":
        plan = replace(plan, settings=replace(plan.settings, max_false_positive_rate=0.01))
    else:
        plan = make_plan(list_of(tmp_path, ["x"], "other.txt"))
    with pytest.raises(ConfigError, match="--fresh"):
        scan(plan, make_executor=echoing)
    assert scan(plan, is_fresh=True, make_executor=echoing).resumed == 0


def test_a_file_that_is_no_result_is_never_overwritten(make_plan, tmp_path):
    plan = make_plan(list_of(tmp_path, ["a"]))
    plan.out.write_bytes(b"my thesis")
    with pytest.raises(ConfigError, match="no result of a scan"):
        scan(plan, make_executor=echoing)
    assert plan.out.read_bytes() == b"my thesis"


def test_two_scans_never_write_one_table(make_plan, tmp_path):
    plan = make_plan(list_of(tmp_path, ["a"]))
    identity = {"sources": [], "pipeline": {}}
    first = Parts(plan.work, identity)
    first.open(is_fresh=False)
    with pytest.raises(ConfigError, match="another scan"):
        Parts(plan.work, identity).open(is_fresh=False)
    first.close()


def test_an_empty_folder_is_said(make_plan, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="no media"):
        scan(make_plan(tmp_path / "nothing"), make_executor=echoing)


# ---------------------------------------------------------------- deaths


def test_killed_processes_lose_and_double_nothing(make_plan, tmp_path):
    names = [f"{number}.png" for number in range(300)]
    plan = make_plan(list_of(tmp_path, names), processes=2, chunk_items=8, part_rows=50)
    pools, killed = [], []

    def make(plan, known):
        pools.append(echoing(plan, known, target=workers.slow_echo))
        return pools[0]

    def kill(summary):
        if summary.rows // 60 > len(killed):
            victim = pools[0].pids[len(killed) % 2]
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    scan(plan, make_executor=make, on_progress=kill)
    assert len(set(killed)) >= 4
    rows = table_of(plan.out)
    assert [row["name"] for row in rows] == names
    assert all(row["error_code"] is None for row in rows)


def test_a_file_that_kills_its_process_gets_a_row_and_costs_no_other(make_plan, tmp_path):
    names = [f"{number}.png" for number in range(20)]
    names[7] = "poison.png"
    plan = make_plan(list_of(tmp_path, names), processes=2, chunk_items=4)
    scan(plan, make_executor=echoing)
    rows = table_of(plan.out)
    assert [row["name"] for row in rows] == names
    assert [row["name"] for row in rows if row["error_code"]] == ["poison.png"]
    assert rows[7]["error_code"] == "engine_error"


@pytest.mark.parametrize(
    ("target", "message"), [(workers.stillborn, "while starting"), (workers.refuses, "unknown_model")]
)
def test_processes_that_cannot_start_end_the_scan(make_plan, tmp_path, target, message):
    plan = make_plan(list_of(tmp_path, ["a", "b"]))
    with pytest.raises(EngineError, match=message):
        scan(plan, make_executor=partial(echoing, target=target))


def test_kill_9_of_the_whole_scan_loses_nothing(make_plan, tmp_path):
    """The scan runs in a process of its own, is killed without warning after some parts, and goes on."""
    names = [f"{number}.png" for number in range(400)]
    plan = make_plan(list_of(tmp_path, names), part_rows=20)
    code = (
        "import sys, pickle; from detect.scan import scan; from tests.unit.scan import test_run, workers\n"
        "from functools import partial\n"
        "if __name__ == '__main__':\n"
        "    plan = pickle.load(open(sys.argv[1], 'rb'))\n"
        "    scan(plan, make_executor=partial(test_run.echoing, target=workers.slow_echo))\n"
    )
    script, pickled = tmp_path / "run.py", tmp_path / "plan.pickle"
    script.write_text(code)
    pickled.write_bytes(__import__("pickle").dumps(plan))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(script), str(pickled)], env=environment)
    deadline = time.monotonic() + 60
    while len(list(plan.work.glob("part-*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    (plan.work / "part-000099.tmp").write_bytes(b"torn")
    summary = scan(plan, make_executor=echoing)
    assert 60 <= summary.resumed < 400
    assert [row["name"] for row in table_of(plan.out)] == names


# ---------------------------------------------------------------- S3


@pytest.fixture
def bucket(pictures, monkeypatch):
    """A bucket of an S3 server on loopback that holds the pictures, once as objects and once as a tar archive."""
    s3fs = pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    files = [pictures / "0.png", pictures / "1.png", pictures / "sub" / "again.png"]
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        for file in files:
            archive.add(file, arcname=file.name)
    s3fs.S3FileSystem.clear_instance_cache()  # it remembers another test's address
    system = s3fs.S3FileSystem()
    name = f"bucket-{port}"  # moto remembers another test's buckets
    system.mkdir(name)
    system.put(str(pictures), f"{name}/pictures", recursive=True)
    urls = [f"s3://{name}/pictures/{file.relative_to(pictures)}" for file in files]
    table = io.BytesIO()
    pq.write_table(pa.table({"url": urls}), table)
    for key, content in {
        "pack-000.tar": shard.getvalue(),
        "list.parquet": table.getvalue(),
        "list.jsonl": "".join(json.dumps({"url": url}) + "\n" for url in urls).encode(),
    }.items():
        system.pipe(f"{name}/{key}", content)
    yield f"s3://{name}"
    server.stop()


KEPT = ("sha256", "verdict", "authenticity", "error_code")


@pytest.mark.slow
def test_a_bucket_is_scanned_like_a_folder(bucket, pictures, make_plan, tmp_path):
    local, remote = make_plan(pictures), make_plan(f"{bucket}/pictures", out=tmp_path / "remote.parquet")
    scan(local)
    scan(remote)
    assert [[row[key] for key in KEPT] for row in table_of(local.out)] == [
        [row[key] for key in KEPT] for row in table_of(remote.out)
    ]


@pytest.mark.slow
def test_archives_and_lists_in_a_bucket_are_read_there(bucket, make_plan):
    names = ("pack-{000..000}.tar", "list.parquet", "list.jsonl")
    plan = make_plan(*(f"{bucket}/{name}" for name in names))
    scan(plan)
    rows = table_of(plan.out)
    assert len(rows) == 9
    assert {row["error_code"] for row in rows} == {None}
    assert [[row[key] for key in KEPT] for row in rows[:3]] * 3 == [[row[key] for key in KEPT] for row in rows]
    assert [row["duplicate_of"] is None for row in rows] == [True, True, *[False] * 7]


# ---------------------------------------------------------------- memory


def test_items_are_read_as_they_are_needed(make_plan, tmp_path):
    """A source without an end is fine: nothing reads ahead more than a few chunks."""
    from detect.scan.run import make_chunks

    plan = make_plan("unused", chunk_items=4, chunk_bytes=100)
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield Item(str(len(taken)), data=picture(0)[:60])

    with Processes(plan.settings, known=tmp_path / "none", count=1, chunk_items=4, target=workers.echo) as pool:
        rows = pool.run(make_chunks(endless(), plan))
        assert len(next(rows)) == 2  # 100 bytes a chunk, not 4 items
        assert len(taken) <= 16
    assert threading.active_count() < 20
