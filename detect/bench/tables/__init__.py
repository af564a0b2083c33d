"""Metrics -> words and tables for people: Markdown, HTML, LaTeX. Pure: the tree of `summary` in, text out."""
