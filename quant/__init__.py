"""int8 graphs from exported ones."""
