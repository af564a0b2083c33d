"""Fixtures for provenance: one authority, one set of signed files and one trust folder for the whole run."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detect.provenance import ProvenanceSettings, examine
from detect.provenance.trust_install import install_from
from detect.types import Evidence, MediaKind
from tests.unit.provenance.pki import NOW, Pki
from tests.unit.provenance.samples import FORMATS
from tests.unit.provenance.states import SHORT_LIFE_S, Signers, make_states

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "provenance"

Examine = Callable[..., dict[str, Evidence]]


@pytest.fixture(scope="session", autouse=True)
def no_installed_trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the lists of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("empty-trust")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WITNESSMARK_TRUST_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def signers(pki: Pki) -> Signers:
    return Signers(pki)


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory, signers: Signers) -> dict[str, Path]:
    """Every state that the tests need, made once a run."""
    return make_states(tmp_path_factory.mktemp("states"), signers)


@pytest.fixture(scope="session")
def expired_state(states: dict[str, Path]) -> Path:
    """A file whose certificate has expired since it was signed."""
    time.sleep(max(0.0, states["expired.jpg"].stat().st_mtime + SHORT_LIFE_S + 1.0 - time.time()))
    return states["expired.jpg"]


@pytest.fixture(scope="session")
def trust_dir(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Path:
    """A trust folder in which the test root is the official list."""
    folder = tmp_path_factory.mktemp("trust")
    source = tmp_path_factory.mktemp("lists") / "root.pem"
    source.write_text(pki.root.pem)
    install_from(str(source), folder=folder, name="official", now=NOW)
    return folder


@pytest.fixture(scope="session")
def look(trust_dir: Path) -> Examine:
    """Examine a file with the test trust folder; returns evidence by source."""

    def run(path: Path, *, trust: Path | None = trust_dir, now: dt.datetime | None = None) -> dict[str, Evidence]:
        suffix = path.suffix[1:]
        settings = ProvenanceSettings(trust_dir=trust, now=now)
        found = examine(path, kind=kind_of(suffix), format=FORMATS.get(suffix, suffix), settings=settings)
        return {item.source: item for item in found}

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public test files; tests that use it are marked `shared`."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED


def kind_of(suffix: str) -> MediaKind:
    if suffix in ("wav", "flac", "mp3", "m4a", "ogg"):
        return MediaKind.AUDIO
    if suffix in ("mp4", "mov", "mkv", "webm", "avi", "flv", "m4s"):
        return MediaKind.VIDEO
    return MediaKind.DOCUMENT if suffix in ("pdf", "svg", "c2pa") else MediaKind.IMAGE
