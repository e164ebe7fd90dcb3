"""The sticker world, and the recipe of omni-tiny, a masked diffusion model of its words and pictures."""
