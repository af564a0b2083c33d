"""A Report as JSON, words, HTML, pictures. Pure."""
