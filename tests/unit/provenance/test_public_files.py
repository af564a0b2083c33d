"""Public test files of the C2PA projects and of marker collections, against their recorded outcomes."""

import csv
from pathlib import Path

import pytest

from detect.provenance.trust_install import install_from
from tests.unit.provenance.conftest import SHARED, Examine
from tests.unit.provenance.pki import NOW

pytestmark = pytest.mark.shared

# Recorded with the type guessed from the bytes, which the library cannot do for these: given the type, it reads them.
READ_WITH_THE_TYPE_GIVEN = {"cards_trusted.svg": "valid", "manifest_data.c2pa": "sidecar"}

LISTS = {
    "official": (("official", None),),
    "official_interim": (("official", None), ("interim", None)),
    "testroots": (("test/test_cert_root_bundle.pem", "official"),),
}
STATES = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid", "EXC C2paManifestNotFound": "absent"}


def rows(name: str) -> list[dict[str, str]]:
    path = SHARED / name
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


# The table lists more than the folder holds; test_metadata makes the others.
MARKERS = [row for row in rows("markers_expected.tsv") if (SHARED / "markers" / row["file"]).is_file()]


def expected_state(recorded: str) -> str:
    kind = recorded.partition(":")[0]
    if kind == "EXC C2paError":
        return "remote_only"
    return STATES.get(kind, "unreadable" if kind == "EXC C2paOther" else "unsupported")


@pytest.fixture(scope="module")
def trust_dirs(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for name, sources in LISTS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for source, list_name in sources:
            install_from(str(shared / "trust" / source), folder=folders[name], name=list_name, now=NOW)
    return folders


@pytest.mark.parametrize("row", rows("c2pa_expected.tsv"), ids=lambda row: f"{row['src']}/{Path(row['path']).name}")
def test_public_c2pa_files_have_their_recorded_outcome(
    shared: Path, look: Examine, trust_dirs: dict[str, Path], row: dict[str, str]
) -> None:
    path = shared / "c2pa" / row["src"] / row["path"]
    for name, folder in trust_dirs.items():
        found = look(path, trust=folder)
        wanted = expected_state(row[f"state_{name}"])
        state = found["provenance.c2pa"].details["state"]
        if wanted == "unsupported":
            assert state == READ_WITH_THE_TYPE_GIVEN.get(path.name, state)
            assert state in ("absent", "unreadable", "valid", "sidecar")
        else:
            assert state == wanted
        assert found["provenance.metadata"].details["verdict"] in ("none", "capture_claim")  # no false AI mark


@pytest.mark.parametrize("row", MARKERS, ids=lambda row: row["file"])
def test_public_marker_files_have_their_recorded_verdict(shared: Path, look: Examine, row: dict[str, str]) -> None:
    path = shared / "markers" / row["file"]
    verdict = row["verdict"].removesuffix("_unsigned")
    assert look(path)["provenance.metadata"].details["verdict"] == verdict


def test_the_lists_are_as_large_as_published(shared: Path, trust_dirs: dict[str, Path]) -> None:
    from detect.provenance.trust import load_trust

    store = load_trust(trust_dirs["official_interim"])
    counts = {name: len(blocks) for name, blocks in store.anchors.items()}
    assert counts == {"official": 30, "official_tsa": 22, "interim_frozen": 26}  # 27 with one printed twice


def test_the_conforming_products_list_is_read(shared: Path, tmp_path: Path) -> None:
    from detect.provenance.signers import find_product
    from detect.provenance.store import Certificate, Name
    from detect.provenance.trust import load_trust

    install_from(str(shared / "trust" / "conforming-products-list.json"), folder=tmp_path, now=NOW)
    products = load_trust(tmp_path).products
    assert len(products) == 174
    camera = find_product(Certificate(Name("Pixel Camera", "Google LLC", country="US")), products)
    assert camera is not None
    assert (camera.assurance_level, camera.is_conformant, camera.disallowed) == (2, True, frozenset())
    assert sum("capturedMedia" in str(record.get("product")) for record in products) == 12
