"""Caption output: subtitle formats, and files that are appended to."""
