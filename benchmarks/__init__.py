"""What emosym costs, beside what would be used instead. Run from the repository's root: ``python -m benchmarks.NAME``."""
