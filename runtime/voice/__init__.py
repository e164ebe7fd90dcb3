"""Say a text with a model that fills several streams of speech codes: prompts, lengths, sentences, and what is done to sound."""
