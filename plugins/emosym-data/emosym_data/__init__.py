"""Datasets emoset, image-folder and hf; knowledge annotations and jsonl."""
