"""Checkpoint folders: sort, configuration, weights (also those in exported graphs) and tokenizer. Executes nothing from them."""
