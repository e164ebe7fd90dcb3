"""Programs that wrote docs/voice-ui.md: how well requests are understood."""
