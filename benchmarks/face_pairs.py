"""Are the two halves of side-by-side clips told apart: a face as filmed, and the same frame after a swap?

    python benchmarks/face_pairs.py list --manifest ../shared/data/manifest.jsonl --repositories DIR --split val --out F
    python benchmarks/face_pairs.py judge --clips F/clips.jsonl --work FOLDER

`list` takes the listed clips of the split out of bare git directories (any depth below DIR) and writes a clip list, the
form that `witnessmark train models/face/recipe.toml --manifest` reads too. `judge` cuts `--frames` moments of each
clip, sends both halves through the same delivery (as filmed, JPEG 50, 0.6 of the size and H.264) and scores them with
the shipped face model. Intervals resample people: halves of one person's clips share faces, rooms and cameras.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from detect.evidence.faces import FaceExaminer
from detect.networks.face.align import cut_square
from detect.training.face.clips import StoredFace, cut_faces, read_clip_list
from detect.training.face.deliver import AS_FILMED, JPEG_50, LAUNDERED, deliver
from detect.training.face.features import load

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
    listing.add_argument("--out", type=Path, required=True)
    judging = steps.add_parser("judge")
    judging.add_argument("--clips", type=Path, required=True)
    judging.add_argument("--work", type=Path, required=True)
    judging.add_argument("--frames", type=int, default=10)
    judging.add_argument("--models", type=Path, help="Models folder; default: the shipped models.")
    args = parser.parse_args()
    if args.step == "list":
        print(f"{list_clips(args.manifest, args.repositories, args.split, args.out)} clips")
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
        folder = next(
            (each.parent for each in repositories.rglob("HEAD") if repository.replace("/", "+") in str(each)), None
        )
        content = b"" if folder is None else read_blob(folder, path, person)
        if content:
            name = Path(path).name.replace(" ", "_")
            (out / name).write_bytes(content)
            row = {"file": name, "layout": "side_by_side", "person": person, "origin": Path(repository).name.lower()}
            lines.append(json.dumps(row))
    (out / "clips.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


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
