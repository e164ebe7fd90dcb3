"""OmniVoice: beside its authors' package, and at full size."""
