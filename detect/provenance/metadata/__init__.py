"""Unsigned marks: what tools, cameras and laws write into files without a signature. Forgeable, and easily removed."""
