"""Numbers about any detector: predictions first, metrics always recomputed from them."""
