"""Uploads straight to S3: this service signs, the browser sends, and no file passes through here.

It keeps nothing: what an upload may do is in a ticket that it signs and the browser brings back.
Who may upload is yours to decide: put your application's login before it.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote
from uuid import uuid4

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError
from fastapi import FastAPI, HTTPException
from fastapi.staticfiles import StaticFiles
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE = Path(__file__).parent / "page"
MIB = 1024**2
MOST_PARTS = 10_000
"""S3's limit."""
TICKET_SECONDS = 24 * 3600
"""As long as MinIO keeps an unfinished multipart upload."""
LARGEST_BODY = 64 * 1024
"""Bytes of a request to this service, which are a few lines of JSON."""

log = logging.getLogger("uvicorn.error")


class Project(BaseModel):
    """What the stack gives a project: one entry of its output `projects`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: SecretStr
    buckets: Mapping[str, str]


class Settings(BaseSettings):
    """Environment variables, each with the prefix `UPLOADS_`.

    Attributes:
        project: JSON of the project.
        bucket: the project's name of the bucket.
        types: content types that are taken. None that a browser would run, such as HTML or SVG.
        max_bytes: size of the largest file.
        part_bytes: size of a part; a larger file is sent in several. S3 takes none below 5 MiB.
        expires_seconds: how long a URL is good.
    """

    model_config = SettingsConfigDict(env_prefix="UPLOADS_", hide_input_in_errors=True)

    project: Project
    bucket: str = "uploads"
    types: tuple[str, ...] = (
        *("image/jpeg", "image/png", "image/webp", "application/pdf"),
        *("application/zip", "video/mp4"),
    )
    max_bytes: Annotated[int, Field(ge=1)] = 5 * 1024 * MIB
    part_bytes: Annotated[int, Field(ge=5 * MIB)] = 16 * MIB
    expires_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] = 300

    @model_validator(mode="after")
    def _has_bucket(self) -> Self:
        if self.bucket not in self.project.buckets:
            raise ValueError(
                f"no {self.bucket}, the project has: {', '.join(self.project.buckets)}"
            )
        return self


class File(BaseModel):
    """What the page says about a file before it is sent."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    type: str
    size: int


class Upload(File):
    """What a ticket allows: this file, at this key, in parts of this size."""

    key: str
    part_bytes: int
    upload_id: str

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return ceil(self.size / self.part_bytes)

    def length(self, part: int) -> int:
        """The size of a part in bytes; the last one is shorter."""
        return min(self.part_bytes, self.size - (part - 1) * self.part_bytes)


class Limits(BaseModel):
    """What the page may tell before anything is asked."""

    types: tuple[str, ...]
    max_bytes: int


class Ticket(BaseModel):
    """A signed `Upload`, or a signed file that was stored."""

    ticket: str


class Begun(Ticket):
    """How the page is to cut the file."""

    part_bytes: int
    parts: int


class Part(Ticket):
    """One part, counted from 1."""

    part: int


class Link(BaseModel):
    """A presigned URL."""

    url: str


class SmallBodies:
    """Refuses what is too large to be anything but a file, and logs what each request brought."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received, status = 0, 500

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise HTTPException(413, "files go to the storage, not through this service")
            return message

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, counting, noting)
        finally:
            log.info("%s %s %s, %d bytes in", scope["method"], scope["path"], status, received)


class Storage:
    """The bucket, and what is signed for it."""

    def __init__(self, settings: Settings) -> None:
        project = settings.project
        secret = project.s3_secret_key.get_secret_value()
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=project.s3_endpoint,
            aws_access_key_id=project.s3_access_key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        self._bucket = project.buckets[settings.bucket]
        self._expires = settings.expires_seconds
        # One key for all processes of the service, and a new one with a new S3 key.
        self._uploads = URLSafeTimedSerializer(secret, salt="upload")
        self._files = URLSafeTimedSerializer(secret, salt="file")

    def begin(self, file: File, part_bytes: int) -> tuple[str, Upload]:
        """A ticket for a file, at a key that nothing else has.

        Small files are multipart uploads too, of one part: what is sent becomes an object only when
        it was checked, and then no URL or ticket can change it any more.
        """
        at = {"Bucket": self._bucket, "Key": str(uuid4())}
        begun = self._s3.create_multipart_upload(**at, ContentType=file.type)
        upload = Upload(
            **file.model_dump(),
            key=at["Key"],
            part_bytes=max(part_bytes, ceil(file.size / MOST_PARTS)),
            upload_id=begun["UploadId"],
        )
        return self._uploads.dumps(upload.model_dump()), upload

    def opened(self, ticket: str) -> Upload:
        """What a ticket allows."""
        return Upload.model_validate(self._load(self._uploads, ticket))

    def sign(self, upload: Upload, part: int) -> str:
        """A URL for one part. Its length is signed: the storage takes no other."""
        what = {**self._multipart(upload), "PartNumber": part, "ContentLength": upload.length(part)}
        return self._url("upload_part", what)

    def complete(self, upload: Upload) -> str:
        """Makes an object of the parts; a ticket to download it.

        Raises:
            HTTPException: a part is missing or has another size.
        """
        try:
            self._s3.complete_multipart_upload(
                **self._multipart(upload), MultipartUpload={"Parts": self._checked(upload)}
            )
        except self._s3.exceptions.NoSuchUpload as error:
            if not self._exists(upload.key):
                raise HTTPException(409, "The upload was cancelled.") from error
            # Else it was completed before, and the answer was lost.
        return self._files.dumps({"key": upload.key, "name": upload.name})

    def _checked(self, upload: Upload) -> Sequence[Mapping[str, Any]]:
        """The parts. The storage is asked for them: the page need not see their ETags."""
        pages = self._s3.get_paginator("list_parts").paginate(**self._multipart(upload))
        parts = [part for page in pages for part in page.get("Parts", ())]
        sizes = {part["PartNumber"]: part["Size"] for part in parts}
        for n in range(1, upload.parts + 1):
            if sizes.get(n) != upload.length(n):
                raise HTTPException(409, f"Part {n} of {upload.parts} was not sent as announced.")
        return [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return False
            raise
        return True

    def cancel(self, upload: Upload) -> None:
        """Deletes the parts that were sent; what is an object already stays."""
        with suppress(self._s3.exceptions.NoSuchUpload):  # cancelled or completed before
            self._s3.abort_multipart_upload(**self._multipart(upload))

    def link(self, ticket: str) -> str:
        """A URL that downloads a stored file under its name, and never shows it."""
        file = self._load(self._files, ticket)
        disposition = f"attachment; filename*=UTF-8''{quote(file['name'], safe='')}"
        what = {
            "Bucket": self._bucket,
            "Key": file["key"],
            "ResponseContentDisposition": disposition,
        }
        return self._url("get_object", what)

    def _multipart(self, upload: Upload) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": upload.key, "UploadId": upload.upload_id}

    def _url(self, operation: str, what: Mapping[str, Any]) -> str:
        return str(self._s3.generate_presigned_url(operation, Params=what, ExpiresIn=self._expires))

    def _load(self, serializer: URLSafeTimedSerializer, ticket: str) -> Any:
        try:
            return serializer.loads(ticket, max_age=TICKET_SECONDS)
        except BadData as error:
            raise HTTPException(403, "The ticket is not valid, or a day old.") from error


def read_settings() -> Settings:
    """The settings; ends the service with a line for each that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"UPLOADS_{'.'.join(map(str, one['loc'])).upper() or 'BUCKET'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise SystemExit("\n".join(lines)) from None
    except SettingsError as error:  # no JSON where there must be some
        raise SystemExit(str(error)) from None


settings = read_settings()
storage = Storage(settings)
app = FastAPI(title="Presigned uploads")
app.add_middleware(SmallBodies)


@app.get("/limits")
def limits() -> Limits:
    """What is taken."""
    return Limits(types=settings.types, max_bytes=settings.max_bytes)


@app.post("/uploads", status_code=201)
def begin(file: File) -> Begun:
    """Refuses a file, or gives a ticket for it."""
    if file.type not in settings.types:
        kind = file.type or "an unknown type"
        raise HTTPException(415, f"{kind} is not taken, only {', '.join(settings.types)}.")
    if not 0 < file.size <= settings.max_bytes:
        size = f"{file.size} bytes" if file.size else "An empty file"
        raise HTTPException(413, f"{size} cannot be taken, at most {settings.max_bytes} bytes.")
    ticket, upload = storage.begin(file, settings.part_bytes)
    return Begun(ticket=ticket, part_bytes=upload.part_bytes, parts=upload.parts)


@app.post("/uploads/part")
def sign(part: Part) -> Link:
    """A URL for a part, also when an earlier one has expired."""
    upload = storage.opened(part.ticket)
    if not 1 <= part.part <= upload.parts:
        raise HTTPException(422, f"There are parts 1 to {upload.parts}.")
    return Link(url=storage.sign(upload, part.part))


@app.post("/uploads/complete")
def complete(ticket: Ticket) -> Ticket:
    """Checks what was sent; a ticket to download it, which an application would keep as a row."""
    return Ticket(ticket=storage.complete(storage.opened(ticket.ticket)))


@app.post("/uploads/cancel", status_code=204)
def cancel(ticket: Ticket) -> None:
    """Deletes what was sent."""
    storage.cancel(storage.opened(ticket.ticket))


@app.post("/downloads")
def download(ticket: Ticket) -> Link:
    """A URL that downloads the file."""
    return Link(url=storage.link(ticket.ticket))


app.mount("/", StaticFiles(directory=PAGE, html=True))
