"""Measuring one thing fairly: timing, processes of their own, memory, conditions, word errors."""
