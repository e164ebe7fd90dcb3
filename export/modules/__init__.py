"""The models as PyTorch modules, shaped as the graphs are."""
