"""The stages of a run, one file each."""

STAGES = ("compress", "reinforce", "unify")
"""In the order in which a run goes through them."""
