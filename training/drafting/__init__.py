"""The recipe that teaches a Moonshine decoder to draft: its mask rows learn the decoder's own greedy text."""
