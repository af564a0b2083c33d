"""Evidence to one score and a verdict. Pure functions over the words of detect.types."""
