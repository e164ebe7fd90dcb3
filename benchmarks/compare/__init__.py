"""Two bundles beside each other: answers, speed, memory."""
