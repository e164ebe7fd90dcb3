"""What `unmask compare` runs: two bundles, or two sides of reports."""
