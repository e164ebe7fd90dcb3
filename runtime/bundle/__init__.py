"""The contents of a bundle folder: manifest, embedding, task templates, tokenizer and graphs."""
