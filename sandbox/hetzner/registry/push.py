"""Copies images of the local Docker engine into a registry: `push.py HOST:PORT IMAGE...`.

`docker push` does the same, but compresses every layer, and each server that pulls it unpacks it
again: on one machine that costs more than it saves. Here layers go as they are.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def main(address: str, *images: str) -> None:
    """Copies the images. What the registry has already is not sent again."""
    for image in images:
        with tempfile.TemporaryDirectory() as folder:
            save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-xC", folder], stdin=save.stdout, check=True)
            if save.wait():
                sys.exit(f"the image {image} cannot be read: see above")
            push(address, image, Path(folder))


def push(address: str, image: str, saved: Path) -> None:
    """Copies an image out of the folder that it was saved to."""
    repository, _, tag = image.rpartition(":")
    url = f"http://{address}/v2/{repository}"
    (content,) = json.loads((saved / "manifest.json").read_text())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": upload(url, saved / content["Config"], CONFIG),
        "layers": [upload(url, saved / layer, LAYER) for layer in content["Layers"]],
    }
    requests.put(
        f"{url}/manifests/{tag}",
        data=json.dumps(manifest),
        headers={"Content-Type": MANIFEST},
        timeout=60,
    ).raise_for_status()


def upload(url: str, file: Path, media_type: str) -> dict[str, Any]:
    """Sends a file unless it is there. Returns its descriptor."""
    with file.open("rb") as content:
        digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    if not requests.head(f"{url}/blobs/{digest}", timeout=60).ok:
        begun = requests.post(f"{url}/blobs/uploads/", timeout=60)
        begun.raise_for_status()
        with file.open("rb") as content:
            requests.put(
                begun.headers["Location"],
                params={"digest": digest},
                data=content,
                headers={"Content-Type": "application/octet-stream"},
                timeout=600,
            ).raise_for_status()
    return {"mediaType": media_type, "size": file.stat().st_size, "digest": digest}


main(*sys.argv[1:])
