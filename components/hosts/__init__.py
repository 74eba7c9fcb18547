"""Where containers run: one `Host` is one Docker engine."""
