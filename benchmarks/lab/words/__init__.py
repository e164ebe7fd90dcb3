"""Words of captions: their times, and listed ones."""
