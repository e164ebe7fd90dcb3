"""Commands that make bundles, check them, and say what runs them here."""
