"""The recipe of the shipped captioner."""
