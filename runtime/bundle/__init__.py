"""What a bundle folder holds: its manifest, embedding, task templates, tokenizer and graphs."""
