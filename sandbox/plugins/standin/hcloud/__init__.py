"""The stand-in of the `hcloud` provider, on Hetzner's own client."""
