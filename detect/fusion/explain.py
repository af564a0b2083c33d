"""Reason and limit codes with their plain English; codes are stable, texts may improve."""

from __future__ import annotations

from detect.types import Reason

TEXTS = {
    # verdicts
    "nothing_scored": "Nothing in this file could be judged.",
    "between_thresholds": "The evidence is too weak for either side at the chosen false-accusation budget.",
    "unstable_under_delivery": "The answer flips when the file is re-encoded or resized, so none is given.",
    "conflict_capture_against_pixels": "Signed as captured by a camera, but the pixels look generated: one of the two "
    "is misleading. A photo of a screen, or a signing fault, can do this.",
    "conflict_between_statements": "Two statements about the file's origin contradict each other.",
    # image.pixels
    "pixels_generated_traces": "The pixels carry traces that generators leave.",
    "pixels_camera_like": "The pixels look like those of pictures that no generator made.",
    "pixels_undecided": "The pixels point neither way.",
    "traces_local": "The traces are stronger in one part of the picture than in the rest.",
    "picture_too_small": "The picture is too small to judge its pixels.",
    "picture_without_texture": "The picture is almost one flat colour: there is nothing to judge.",
    # video.frames
    "frames_generated_traces": "The frames carry traces that generators leave.",
    "frames_camera_like": "The frames look like those of clips that no generator made.",
    "frames_undecided": "The frames point neither way.",
    "frames_inserted": "One stretch of the clip looks far more generated than the rest.",
    "frames_too_few": "Fewer than three frames could be judged.",
    "frames_too_small": "The frames are too small to judge.",
    "frames_without_texture": "The frames are almost one flat colour: there is nothing to judge.",
    "frames_none": "The file holds no frames.",
    "frames_not_decoded": "The frames do not decode; only the sound was judged.",
    "no_video_model": "No model for frames of clips is in the models folder.",
    # face.swap
    "face_changed_traces": "A face carries traces that swapping or re-enacting leaves.",
    "face_natural": "The faces look like those that nobody changed.",
    "face_undecided": "The faces point neither way.",
    "face_none": "No face was found.",
    "face_too_small": "The faces are too small to judge: at least 64 pixels are needed.",
    "face_blurred": "The faces are too blurred to judge.",
    "face_too_brief": "No face stays in view for two samples.",
    "face_detector_missing": "Faces were not looked at: pip install 'witnessmark[faces]'.",
    "no_face_model": "No model for faces is in the models folder.",
    "faces_not_asked": "Faces were not looked at, as asked.",
    # audio.speech, audio.music
    "speech_generated_traces": "The voice carries traces that speech synthesis leaves.",
    "speech_natural": "The voice sounds like recordings that no machine made.",
    "speech_undecided": "The voice points neither way.",
    "speech_spliced": "One stretch of the recording sounds far more synthetic than the rest.",
    "speech_too_short": "There is too little speech to judge: at least 1.5 seconds are needed.",
    "audio_silent": "The recording is silent: there is nothing to judge.",
    "audio_without_speech": "There is sound but no speech, and only voices are judged.",
    "audio_is_music": "This is music; only voices are judged.",
    "music_not_judged": "Music is not judged: a model learnt from public data accused 43 % of the real music that was "
    "new to it.",
    # limits
    "unseen_generators": "Generators that differ from all those in training can go unnoticed.",
    "not_a_truth_check": "The score says how the file was made, not whether what it shows is true.",
    "authentic_can_mislead": "An authentic file can still be staged, cropped, old or captioned falsely.",
    "local_edits_may_hide": "Small local edits can go unnoticed.",
    "no_provenance_is_neutral": "Most authentic files carry no provenance; its absence says nothing.",
    "proprietary_watermarks": "Marks such as SynthID or Digimarc cannot be read here.",
    "strongly_compressed": "Strong compression has removed much of what could be judged.",
    "small_picture": "Small pictures hold few traces; the answer is less certain.",
    "stability_not_checked": "How the answer changes under re-encoding was not checked.",
    "frames_sampled": "Moments spread over the clip were judged, not every frame; --dense looks closer.",
    "short_stretches_may_hide": "A generated stretch of under two seconds, or a small part of the frame, can hide.",
    "no_speech_model": "No model for speech is in the models folder.",
    "provenance_not_read": "Provenance was not read.",
    "plugins_took_part": "Evidence of other packages took part; the accusation budget was measured without it.",
    "partly_sampled": "Large picture: evenly spread parts were judged, not every pixel.",
}


def reason(code: str) -> Reason:
    """Return the Reason of a known code.

    Raises:
        KeyError: The code is not in `TEXTS`; every code must have its text.
    """
    return Reason(code, TEXTS[code])
