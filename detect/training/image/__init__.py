"""Train the image classifier: cached native crops, one lottery for both labels, aligned autoencoder pairs."""
