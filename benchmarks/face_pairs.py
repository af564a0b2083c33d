"""Are the two halves of side-by-side clips told apart: a face as filmed, and the same frame after a swap?

    python benchmarks/face_pairs.py list --manifest ../shared/data/manifest.jsonl --repositories DIR --split val --out F
    python benchmarks/face_pairs.py judge --clips F/clips.jsonl --work FOLDER

`list` takes the listed clips of the split out of bare git directories (any depth below DIR) and writes a clip list, the
form that `witnessmark train models/face/recipe.toml --manifest` reads too; with `--pairs models/face/pairs.jsonl` the
pairs of pictures of other programs join it. `judge` cuts `--frames` moments of each
clip, sends both halves through the same delivery (as filmed, JPEG 50, 0.6 of the size and H.264) and scores them with
the shipped face model. Intervals resample people: halves of one person's clips share faces, rooms and cameras.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from detect.evidence.faces import FaceExaminer
from detect.networks.face.align import cut_square
from detect.training.face.clips import cut_faces
from detect.training.face.deliver import AS_FILMED, JPEG_50, LAUNDERED, deliver
from detect.training.face.features import load
from detect.training.face.store import StoredFace, read_clip_list

DELIVERIES = {"as_filmed": AS_FILMED, "jpeg_50": JPEG_50, "laundered": LAUNDERED}
REPLICATES = 1000

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Run one of the two steps; `judge` prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    listing = steps.add_parser("list")
    listing.add_argument("--manifest", type=Path, required=True)
    listing.add_argument("--repositories", type=Path, required=True)
    listing.add_argument("--split", default="val")
    listing.add_argument("--pairs", type=Path, help="JSON Lines of pairs of pictures that join the list.")
    listing.add_argument("--out", type=Path, required=True)
    judging = steps.add_parser("judge")
    judging.add_argument("--clips", type=Path, required=True)
    judging.add_argument("--work", type=Path, required=True)
    judging.add_argument("--frames", type=int, default=10)
    judging.add_argument("--models", type=Path, help="Models folder; default: the shipped models.")
    args = parser.parse_args()
    if args.step == "list":
        print(f"{list_clips(args.manifest, args.repositories, args.split, args.out)} clips")
        if args.pairs:
            print(f"{list_pairs(args.pairs, args.repositories, args.out)} pairs of pictures")
    else:
        print(json.dumps(judge(args.clips, args.work, args.frames, args.models), indent=1))


def list_clips(manifest: Path, repositories: Path, split: str, out: Path) -> int:
    """Write the side-by-side clips of a split and their list; return how many were found."""
    wanted: dict[tuple[str, str], str] = {}
    labels: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "face" and row["split"] == split and row["path"].endswith(".mp4"):
            wanted[row["repo"], row["path"]] = row.get("group", row["sha256"])
            labels[row["repo"], row["path"]].add(row["label"])
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for (repository, path), person in sorted(wanted.items()):
        if len(labels[repository, path]) < 2:
            continue  # not side by side: one label for the whole clip
        folder = find_repository(repository, repositories)
        content = b"" if folder is None else read_blob(folder, path, person)
        if content:
            name = Path(path).name.replace(" ", "_")
            (out / name).write_bytes(content)
            row = {"file": name, "layout": "side_by_side", "person": person, "origin": Path(repository).name.lower()}
            lines.append(json.dumps(row))
    (out / "clips.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def list_pairs(pairs: Path, repositories: Path, out: Path) -> int:
    """Append pairs of pictures to the list, each file by its git blob; return how many were found."""
    lines = []
    for line in pairs.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        folder, names = find_repository(row["repo"], repositories), []
        for blob, path in ((row["blob"], row["path"]), (row["swapped_blob"], row["swapped_path"])):
            name = f"{blob[:16]}{Path(path).suffix.lower()}"
            if folder is not None and not (out / name).exists():
                found = subprocess.run(
                    ["git", "--git-dir", str(folder), "cat-file", "blob", blob], capture_output=True, check=False
                )
                if found.returncode == 0:
                    (out / name).write_bytes(found.stdout)
            names.append(name)
        if all((out / name).is_file() for name in names):
            places = {key: row[key] for key in ("crop", "swapped_crop", "face") if key in row}
            entry = {"file": names[0], "swapped_file": names[1], "layout": "pair", "person": row["person"]}
            lines.append(json.dumps({**entry, "origin": row["program"], **places}))
    with (out / "clips.jsonl").open("a", encoding="utf-8") as sink:
        sink.writelines(f"{line}\n" for line in lines)
    return len(lines)


@cache  # walks the whole mirror, and hundreds of rows name the same few repositories
def find_repository(name: str, repositories: Path) -> Path | None:
    """Return the git directory of OWNER/NAME below a folder."""
    wanted = name.replace("/", "+")
    return next((each.parent for each in repositories.rglob("HEAD") if wanted in str(each)), None)


def read_blob(repository: Path, path: str, person: str) -> bytes:
    """Return a file of the newest commit; names there may have a space where the manifest has none."""
    for name in (path, path.replace(f"/{person}_", f"/{person.replace('_', ' ')}_")):
        found = subprocess.run(
            ["git", "--git-dir", str(repository), "show", f"HEAD:{name}"], capture_output=True, check=False
        )
        if found.returncode == 0:
            return found.stdout
    return b""


def judge(clips: Path, work: Path, frames: int, models: Path | None) -> dict[str, Any]:
    """Return the figures of every delivery."""
    examiner = FaceExaminer.load(models_dir=models)
    rows = [row for row in read_clip_list(clips) if row.layout == "side_by_side"]
    halves: dict[str, dict[str, StoredFace]] = defaultdict(dict)
    for face in cut_faces(rows, work / "faces", examiner.detector, frames=frames):
        halves[face.pair][face.label] = face
    pairs = [pair for _, pair in sorted(halves.items()) if len(pair) == 2]
    people = np.array([pair["real"].person for pair in pairs])
    clip_of = np.array([pair["real"].clip for pair in pairs])
    figures: dict[str, Any] = {
        "model": f"{examiner.model.name} {examiner.model.version}", "sha256": examiner.model.sha256,
        "pairs": len(pairs), "clips": len(set(clip_of)), "people": len(set(people)),
    }  # fmt: skip
    for name, delivery in DELIVERIES.items():
        logits = np.empty((len(pairs), 2))
        for column, label in enumerate(("real", "fake")):
            squares = []
            for pair in pairs:
                pixels, place = deliver(load(pair[label]), pair[label].face, delivery)
                squares.append(cut_square(pixels, place, margin=examiner.margin))
            logits[:, column] = [float(cells.mean()) for cells in examiner.scorer.score(squares)]
        names = sorted(set(clip_of))
        tracks = np.array([logits[clip_of == clip].mean(axis=0) for clip in names])
        track_people = np.array([people[clip_of == clip][0] for clip in names])
        figures[name] = {
            "auc": round(area(logits), 4),
            "auc_95": interval(logits, people),
            "swapped_half_higher": round(float((logits[:, 1] > logits[:, 0]).mean()), 4),
            "auc_clips": round(area(tracks), 4),
            "auc_clips_95": interval(tracks, track_people),
            "by_person": {name: round(area(logits[people == name]), 4) for name in sorted(set(people))},
        }
    return figures


def area(logits: Floats) -> float:
    """Return the area under the curve of unswapped and swapped halves, (N, 2)."""
    return float(roc_auc_score(np.repeat([0, 1], len(logits)), logits.T.ravel()))


def interval(logits: Floats, people: npt.NDArray[np.str_]) -> list[float]:
    """Return the 95 % interval over people drawn with replacement."""
    rng = np.random.default_rng(0)
    names = sorted(set(people))
    drawn = [
        area(np.concatenate([logits[people == name] for name in rng.choice(names, len(names))]))
        for _ in range(REPLICATES)
    ]
    return [round(float(value), 4) for value in np.quantile(drawn, [0.025, 0.975])]


if __name__ == "__main__":
    main()
