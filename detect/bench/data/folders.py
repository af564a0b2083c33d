"""Labelled folders: the label and the generator are read from the names of the folders on the way to a file.

real-fake       real/*.jpg fake/*.jpg, or real/<source>/*.jpg fake/<generator>/*.jpg
ForenSynths     <generator>/[<category>/]0_real/*.png 1_fake/*.png          (also UniversalFakeDetect)
GenImage        <generator>/<set>/train|val/nature|ai/*.png
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from detect.bench.data.item import DataSet, Item, Label
from detect.errors import ConfigError

LABEL_FOLDERS = {
    "real": Label.REAL,
    "0_real": Label.REAL,
    "nature": Label.REAL,
    "original": Label.REAL,
    "authentic": Label.REAL,
    "bonafide": Label.REAL,
    "fake": Label.FAKE,
    "1_fake": Label.FAKE,
    "ai": Label.FAKE,
    "generated": Label.FAKE,
    "synthetic": Label.FAKE,
    "spoof": Label.FAKE,
    "edited": Label.EDITED,
    "manipulated": Label.EDITED,
}
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_ENDINGS = {
    "image": {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif", ".jfif"},
    "audio": {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".amr"},
    "video": {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif"},
}


def read_folders(root: Path, *, medium: str, kind: str = "", splits: tuple[str, ...] = ()) -> DataSet:
    """Return the data set of a folder tree.

    Args:
        root: Its top.
        medium: `image`, `audio` or `video`: which file endings count.
        kind: Word for the items' kind; default the medium.
        splits: Keep files below folders of these splits; files below no split folder are kept.

    Raises:
        ConfigError: No file lies below a folder that names a label.
    """
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder")
    items = tuple(
        item for item in _walk(root, medium, kind or medium) if not splits or not item.split or item.split in splits
    )
    if not items:
        raise ConfigError(
            f"{root} holds no {medium} file below a folder that names a label ({', '.join(sorted(LABEL_FOLDERS))})"
        )
    return DataSet(name=root.name, items=items)


def _walk(root: Path, medium: str, kind: str) -> Iterator[Item]:
    for file in sorted(root.rglob("*")):
        if file.suffix.lower() not in _ENDINGS[medium] or not file.is_file():
            continue
        path = PurePosixPath(file.relative_to(root).as_posix())
        found = read_path(path.parent.parts, root_name=root.name)
        if found is not None:
            label, origin, split = found
            yield Item(id=str(path), file=file, kind=kind, label=label, origin=origin, split=split)


def read_path(folders: tuple[str, ...], *, root_name: str) -> tuple[Label, str, str] | None:
    """Return label, origin and split that folder names say, or None without a label.

    The origin is the first folder above the label that is no split (GenImage, ForenSynths), else the first folder below
    it, else the name of the root.
    """
    lower = [folder.lower() for folder in folders]
    place = next((i for i in reversed(range(len(lower))) if lower[i] in LABEL_FOLDERS), None)
    if place is None:
        return None
    split = next((_SPLITS[folder] for folder in lower if folder in _SPLITS), "")
    above = [folder for folder in folders[:place] if folder.lower() not in _SPLITS]
    below = [folder for folder in folders[place + 1 :] if folder.lower() not in _SPLITS]
    origin = next(iter([*above, *below]), root_name)
    return LABEL_FOLDERS[lower[place]], origin, split
