"""The only place that opens untrusted bytes: sniff, limits, guarded decode to numpy.

with open_source("photo.jpg") as source:
    picture = decode_image(source)
    picture.pixels_rgb.shape      # (height, width, 3)
"""

from detect.media.image import decode_image
from detect.media.limits import Limits
from detect.media.sniff import Sniffed, sniff
from detect.media.source import MediaSource, open_source

__all__ = ["Limits", "MediaSource", "Sniffed", "decode_image", "open_source", "sniff"]
