"""Programs that measured figures of the documentation. Not installed; run as python -m benchmarks.lab.NAME from the root."""
