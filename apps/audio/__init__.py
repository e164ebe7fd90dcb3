"""Audio input: files, streams, the microphone and voice activity detection."""
