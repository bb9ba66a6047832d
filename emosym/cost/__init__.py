"""What a spec computes, stage by stage, how long a card takes for it, and what it keeps on disk; nothing is loaded."""
