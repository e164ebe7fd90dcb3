"""Models that speak, with random weights."""
