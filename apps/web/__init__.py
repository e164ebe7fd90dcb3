"""Live captions in the browser: the server and its page."""
