"""Codecs with random weights, in files as they are published."""
