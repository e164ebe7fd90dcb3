"""Smaller bundles from fp32 ones: integer and float16 weights, and what is measured for them."""
