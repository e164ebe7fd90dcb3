"""PyTorch checkpoints in, bundles out. May import torch; the runtime never imports this package."""
