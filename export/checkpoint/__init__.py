"""Hugging Face checkpoint folders: sort, configuration, weights and tokenizer. Executes nothing from them."""
