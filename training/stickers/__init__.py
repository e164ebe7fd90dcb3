"""The sticker world: what there is, scenes of it at random, their pixels and their words, and readers of both."""
