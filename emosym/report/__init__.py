"""What a run looks like: figures as people read them, curves, contact sheets, the page. Reads files alone."""

METRICS = "metrics.jsonl"
"""The scalars of every step, in a run folder."""
ROLLOUTS = "rollouts.jsonl"
"""Some tries of the stage reinforce, in a run folder."""
