"""PyTorch modules to ONNX graphs and bundles."""
