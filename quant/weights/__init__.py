"""Weights in fewer bits: the integers, and the graphs rewritten to use them."""
