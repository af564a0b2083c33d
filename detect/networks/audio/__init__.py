"""Networks that listen: the spectrogram net, the Whisper encoder with its head, and both as one model."""
