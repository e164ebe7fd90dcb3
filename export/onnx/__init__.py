"""Modules to ONNX graphs, as bundles."""
