"""The weekly review: what a stack did in seven days, and what to change in its config."""
