"""The Wyoming protocol of Home Assistant's voice assistants: speech to text, text to speech, answers."""
