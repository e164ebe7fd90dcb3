"""Sound to rows of a canvas: the features, positions and graph of a speech encoder."""
