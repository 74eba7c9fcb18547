"""A Hetzner Cloud API (v1) on this machine, whose servers are containers."""
