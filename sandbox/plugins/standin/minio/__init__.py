"""The stand-in of the `minio` provider, on S3 and AWS' IAM by boto3."""
