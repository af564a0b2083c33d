"""Neural networks, the zoo of trained models, and their weights; the only inference code that imports torch."""
