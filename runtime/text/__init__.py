"""Tasks of backbone bundles: a prompt and codes in, text and codes out."""
