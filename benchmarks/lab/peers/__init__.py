"""Other systems in the same run: `captions` for speech, `text` for llama.cpp."""
