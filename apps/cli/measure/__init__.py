"""Commands that measure bundles and choose settings."""
