"""Still-picture networks: (N, 3, H, W) in, one logit a picture out, larger = generated; one architecture a file."""
