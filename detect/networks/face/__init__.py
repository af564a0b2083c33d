"""Networks that look at faces: detectors that find them, and the geometry that brings them to one size."""
