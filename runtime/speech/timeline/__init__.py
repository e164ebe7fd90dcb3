"""Captioners of the older kind: a canvas of slots over the sound, filled and then corrected by a causal model of its own."""
