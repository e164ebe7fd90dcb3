"""Live output in a terminal: the canvas while it is filled, and live captions."""
