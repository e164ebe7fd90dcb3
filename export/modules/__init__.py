"""The models as PyTorch modules that take and return what the graphs do."""
