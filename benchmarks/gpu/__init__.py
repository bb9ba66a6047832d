"""What a step takes on a card: ``python -m benchmarks.gpu``, see :mod:`benchmarks.gpu.__main__`."""
