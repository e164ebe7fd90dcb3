"""Servers and many recordings, measured from outside: beside others, with more workers, and when they are killed."""
