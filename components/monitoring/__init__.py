"""What measures the platform, says when something is wrong, and shows it."""
