"""Reading opens no socket: proven with a server that must not be asked, and with a kernel that forbids sockets."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detect.provenance import ProvenanceSettings, examine
from detect.types import MediaKind, Status
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.loopback import Loopback
from tests.unit.provenance.pki import Pki
from tests.unit.provenance.samples import MIME
from tests.unit.provenance.states import CAMERA, Signers, sign

# A child that lets the kernel kill it as soon as it asks for a socket, whichever language asks.
FORBID_SOCKETS = """
import ctypes, struct, sys
SOCKET = {"x86_64": 41, "aarch64": 198}[sys.argv[1]]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, SOCKET), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("HBBI", *line) for line in code)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(len(code), program)), 0, 0) == 0, ctypes.get_errno()
"""
READ_FILES = """
from pathlib import Path
from detect.provenance import ProvenanceSettings, examine
from detect.types import MediaKind
for name in sys.argv[3:]:
    path = Path(name)
    kind = MediaKind.IMAGE if path.suffix == ".jpg" else MediaKind.VIDEO
    examine(path, kind=kind, format={".jpg": "jpeg"}.get(path.suffix, path.suffix[1:]),
            settings=ProvenanceSettings(trust_dir=Path(sys.argv[2])))
print("read", len(sys.argv) - 3)
"""
OPEN_SOCKET = "import socket; socket.socket(); print('opened')"

KERNEL_CAN_FORBID = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")


@pytest.fixture(scope="module")
def loopback(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    server = Loopback(pki, tmp_path_factory.mktemp("loopback"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def remote_only(states: dict[str, Path], signers: Signers, loopback: Loopback) -> Path:
    source = states["none.jpg"]
    data, loopback.manifest = sign(
        source.read_bytes(), MIME["jpg"], CAMERA, signers.camera, remote_url=f"http://{loopback.host}/m.c2pa"
    )
    path = source.with_name("remote_only.jpg")
    path.write_bytes(data)
    return path


def test_a_manifest_stored_online_is_named_and_not_fetched(
    remote_only: Path, loopback: Loopback, look: Examine
) -> None:
    before = len(loopback.hits)
    found = look(remote_only)["provenance.c2pa"]
    assert (found.status, found.llr) == (Status.UNAVAILABLE, 0.0)
    assert found.reasons[0].code == "c2pa_remote_only"
    assert found.details["remote_url"] == f"http://{loopback.host}/m.c2pa"
    assert len(loopback.hits) == before


def test_it_is_fetched_only_when_asked_and_only_from_hosts_that_are_named(
    remote_only: Path, loopback: Loopback, trust_dir: Path
) -> None:
    def verdict(*hosts: str) -> str:
        settings = ProvenanceSettings(trust_dir=trust_dir, fetch_remote=True, allowed_hosts=hosts)
        return examine(remote_only, kind=MediaKind.IMAGE, format="jpeg", settings=settings)[0].reasons[0].code

    before = len(loopback.hits)
    assert verdict("example.org") == "c2pa_remote_only"
    assert len(loopback.hits) == before
    assert verdict(loopback.host) == "c2pa_capture_trusted"
    assert len(loopback.hits) == before + 1  # so the counter would have seen a fetch before


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl acts as the time-stamp authority")
def test_a_trusted_time_stamp_is_reported(
    states: dict[str, Path], signers: Signers, loopback: Loopback, look: Examine
) -> None:
    data = sign(
        states["none.jpg"].read_bytes(),
        MIME["jpg"],
        CAMERA,
        signers.camera,
        time_stamp_url=f"http://{loopback.host}/tsa",
    )[0]
    path = states["none.jpg"].with_name("stamped.jpg")
    path.write_bytes(data)
    before = len(loopback.hits)
    found = look(path)["provenance.c2pa"]
    assert found.reasons[0].code == "c2pa_capture_trusted"
    assert found.details["capture"]["signed_at"].startswith("20")
    assert len(loopback.hits) == before


@pytest.mark.skipif(not KERNEL_CAN_FORBID, reason="needs seccomp")
def test_no_socket_is_opened_while_reading(states: dict[str, Path], remote_only: Path, trust_dir: Path) -> None:
    names = ("camera.jpg", "chain.jpg", "tampered.jpg", "none.jpg", "camera.mp4")
    files = [str(remote_only), *(str(states[name]) for name in names)]
    done = _run_without_sockets(READ_FILES, str(trust_dir), *files)
    assert (done.returncode, done.stdout.strip()) == (0, f"read {len(files)}"), done.stderr


@pytest.mark.skipif(not KERNEL_CAN_FORBID, reason="needs seccomp")
def test_the_guard_of_the_test_above_kills_whoever_opens_a_socket() -> None:
    done = _run_without_sockets(OPEN_SOCKET)
    assert done.returncode < 0
    assert "opened" not in done.stdout


def _run_without_sockets(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FORBID_SOCKETS + script, platform.machine(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
