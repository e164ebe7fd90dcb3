"""Choose settings for a device by measuring them on it."""
