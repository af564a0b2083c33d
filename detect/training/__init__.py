"""Recipes in, weights out."""
