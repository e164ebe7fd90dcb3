"""The sample rate of all speech in this package."""

SAMPLE_RATE_HZ = 16_000
