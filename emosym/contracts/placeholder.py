"""The placeholder of prompts; imports nothing."""

PLACEHOLDER = "{emotion}"
"""Where the fused vectors go in a prompt such as ``"a {emotion} street"``."""
