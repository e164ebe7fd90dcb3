"""Recipes that made the shipped checkpoints: reproducible, resumable, from public inputs."""
