"""What is measured before weights and activations are quantized."""
