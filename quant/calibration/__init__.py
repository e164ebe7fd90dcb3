"""Measurements before quantization: ranges of activations, and which matrices to keep in float16."""
