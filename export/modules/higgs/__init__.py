"""Higgs Audio's speech codec in PyTorch: what its decoder and its encoder compute, for the exporter."""
