"""Anything that gives a file a score: ours, a function, a command, a server, a predictions file, a published peer."""
