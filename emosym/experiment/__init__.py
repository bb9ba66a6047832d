"""A run: its folder, its stages in order, its evaluation and its summary."""
