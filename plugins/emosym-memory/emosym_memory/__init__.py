"""Memory banks sql and ring."""
