module arquitectura/sandbox/minio

go 1.25
