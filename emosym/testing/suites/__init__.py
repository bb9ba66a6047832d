"""One suite a kind."""
