"""The recipe of a drafter for Moonshine: it learns to write the decoder's own greedy text in one pass."""
