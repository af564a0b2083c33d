"""Calibration and training of what judges frames of clips."""
