"""Decoded media to Evidence: crop, batch, score, aggregate, locate."""
