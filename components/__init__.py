"""The platform's reusable Pulumi components."""
