"""Pure functions of labels and scores: numpy in, numbers out, no files.

Conventions: `is_fake` is a boolean array; larger scores mean synthetic; `weights` counts an item as often as a
bootstrap replicate drew it (None = once each).
"""
