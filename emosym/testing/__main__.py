"""``python -m emosym.testing`` prints the reference page of the checks."""

from emosym.testing.page import page

print(page(), end="")
