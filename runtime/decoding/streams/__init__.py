"""Canvases of frames that hold several codes each, one of each stream: MaskGCT's, SoundStorm's and OmniVoice's form.

NumPy only, as all of `unmask.decoding`.
"""
