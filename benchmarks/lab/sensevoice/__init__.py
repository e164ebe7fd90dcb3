"""SenseVoice beside this project: FunASR's own class as the oracle, drift and seconds of the exported encoder."""
