"""Training of the face model: pairs before and after a swap, self-blended faces, single faces of other makers."""
