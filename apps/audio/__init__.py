"""Sound into the program: files, streams, the microphone, voice activity."""
