"""The recipe of omni-tiny, a masked diffusion model of words and pictures of the sticker world."""
