"""Codes of speech become sound: a mel spectrogram by flow matching, then samples by a vocoder; many codes in pieces."""
