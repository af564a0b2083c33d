"""Every exception that Witnessmark raises on purpose.

WitnessmarkError
├── MediaError                 the file itself
│   ├── UnsupportedMediaError  not a kind or format that is read here
│   ├── CorruptMediaError      looks like the format, does not decode
│   ├── MediaTooLargeError     over a limit on bytes, pixels, frames or memory
│   ├── MediaTooShortError     nothing, or too little, to judge
│   ├── MediaUnreadableError   missing, a directory, no permission, link loop
│   └── DecodeTimeoutError     decoding took longer than allowed
├── ProvenanceError            a provenance reader failed (never: "no provenance")
├── ModelError
│   ├── UnknownModelError      no model of that name, folder or id
│   └── WeightsMismatchError   weights differ from the hash in config.json
├── ConfigError                a setting or argument is outside its range
├── MissingExtraError          an optional dependency is needed for this call
└── EngineError
    └── EngineBusyError        the queue is full, try again later

"Cannot decide" is a result (`inconclusive`, `not_applicable`), never an exception.
"""

from __future__ import annotations


class WitnessmarkError(Exception):
    """Base of all errors raised on purpose; `code` is stable and safe to branch on.

    Example:
        try:
            report = detect.analyze("photo.jpg")
        except detect.WitnessmarkError as error:
            print(error.code, error)
    """

    code = "error"


class MediaError(WitnessmarkError):
    """The file cannot be judged because of what it is or holds."""

    code = "media_error"


class UnsupportedMediaError(MediaError):
    """The bytes are not of a kind or format that is read here."""

    code = "unsupported_media"


class CorruptMediaError(MediaError):
    """The bytes look like a known format but do not decode."""

    code = "corrupt_media"


class MediaTooLargeError(MediaError):
    """The file is over a limit on bytes, pixels, frames or memory."""

    code = "media_too_large"


class MediaTooShortError(MediaError):
    """The file holds nothing, or too little, to judge."""

    code = "media_too_short"


class MediaUnreadableError(MediaError):
    """The path cannot be opened: missing, a directory, no permission, a link loop."""

    code = "media_unreadable"


class DecodeTimeoutError(MediaError):
    """Decoding took longer than the limit and was stopped."""

    code = "decode_timeout"


class ProvenanceError(WitnessmarkError):
    """A provenance reader failed; absence of provenance is never an error."""

    code = "provenance_error"


class ModelError(WitnessmarkError):
    """A model cannot be found, loaded or run."""

    code = "model_error"


class UnknownModelError(ModelError):
    """No model has that name, folder or id."""

    code = "unknown_model"


class WeightsMismatchError(ModelError):
    """The weights differ from the hash that the model's config states."""

    code = "weights_mismatch"


class ConfigError(WitnessmarkError):
    """A setting or argument is outside its documented range."""

    code = "config_error"


class MissingExtraError(WitnessmarkError):
    """An optional dependency is needed for this call; the message holds the pip line."""

    code = "missing_extra"


class EngineError(WitnessmarkError):
    """The engine that runs models failed."""

    code = "engine_error"


class EngineBusyError(EngineError):
    """The engine's queue is full; try again later."""

    code = "engine_busy"
