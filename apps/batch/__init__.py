"""Captions of many recordings, on every core of a machine or of a Ray cluster."""
