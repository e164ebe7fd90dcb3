"""Programs that wrote a page of the documentation once. Not installed; run from the repository: python -m benchmarks.lab.NAME."""
