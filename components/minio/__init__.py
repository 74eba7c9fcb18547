"""MinIO: S3 storage."""
