"""Tasks of backbone bundles: they take a prompt and codes, and return text and codes."""
