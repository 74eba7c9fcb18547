"""Dokploy: deploys applications beside the data."""
