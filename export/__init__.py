"""From PyTorch checkpoints to bundles. May import torch. The runtime never imports this package."""
