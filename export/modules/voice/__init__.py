"""GLM-4-Voice's decoder in PyTorch: codes of speech to a mel spectrogram, and that to samples."""
