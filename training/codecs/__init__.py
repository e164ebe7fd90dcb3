"""The recipes of codecs that are trained here."""
