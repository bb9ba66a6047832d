"""Memory banks sql and in-memory."""
