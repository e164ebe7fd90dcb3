"""The recipes of the shipped checkpoints: reproducible, resumable, from public inputs."""
