"""Commands that run the tasks of a bundle."""
