"""Text: the tokenizer and the prompts."""
