"""Programs that measured figures of the documentation. Not installed; run from the repository root: python -m benchmarks.lab.NAME."""
