"""From the stack's config to a plan: pure, without resources."""
