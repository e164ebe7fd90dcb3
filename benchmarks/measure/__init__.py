"""Fair measurements: timing in turns, processes of their own, memory, conditions, word errors, and the statistics of samples."""
