"""Omni-Diffusion at full size with random weights: what making and opening a bundle takes, and how long its tasks do."""
