"""What a run looks like: figures as people read them, curves, contact sheets, the page."""
