"""Captions out of the program: subtitle formats and files that only grow."""
