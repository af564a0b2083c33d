"""What a watermark that was found weighs."""

MARK_LLR = 4.0
"""Scoring policy: stealth text, Perth and DWT-DCT marks; generators stamp them, and clean media do not hold them."""
