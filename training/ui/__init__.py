"""Training of ui-tiny, which turns requests into panels: a grammar of both, the model, and its checkpoint."""
