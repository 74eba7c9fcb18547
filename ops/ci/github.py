"""Writes to GitHub: one comment on a pull request, or one issue, which later runs update.

Runs on any Python, without anything installed.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PAGE = 100
SECONDS = 30


class GitHubError(Exception):
    """GitHub refused, or did not answer. The text says what was asked, never with which token."""


class Repository:
    """A repository, through GitHub's REST API.

    Args:
        api: URL of the API.
        name: `owner/repository`.
        token: of the workflow.
    """

    def __init__(self, api: str, name: str, token: str) -> None:
        self._url = f"{api}/repos/{name}"
        self._token = token

    def comment(self, number: int, text: str) -> None:
        """Writes the comment on a pull request, in place of the one before.

        Raises:
            GitHubError: it could not be written.
        """
        marked = _marked("preview", text)
        if before := self._own(f"/issues/{number}/comments", "preview"):
            self._ask("PATCH", f"/issues/comments/{before['id']}", {"body": marked})
        else:
            self._ask("POST", f"/issues/{number}/comments", {"body": marked})

    def issue(self, name: str, title: str, text: str) -> None:
        """Writes the issue of that name, in place of what it said before; without text closes it.

        Raises:
            GitHubError: it could not be written.
        """
        before = self._own("/issues", name)
        if before:
            change = {"body": _marked(name, text)} if text else {"state": "closed"}
            self._ask("PATCH", f"/issues/{before['number']}", change)
        elif text:
            self._ask("POST", "/issues", {"title": title, "body": _marked(name, text)})

    def _own(self, path: str, name: str) -> Mapping[str, Any] | None:
        """What a workflow has written under that name before."""
        for one in self._all(path):
            by_workflow = one["user"]["type"] == "Bot" and "pull_request" not in one
            if by_workflow and (one["body"] or "").startswith(_mark(name)):
                return one
        return None

    def _all(self, path: str) -> Iterator[Mapping[str, Any]]:
        for page in count(1):
            found = self._ask("GET", f"{path}?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        request = Request(  # noqa: S310 (the URL is GitHub's own)
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            raise GitHubError(
                f"{method} {path}: GitHub answers {error.code} {error.reason}"
            ) from None
        except (URLError, TimeoutError) as error:
            raise GitHubError(f"{method} {path}: GitHub does not answer ({error})") from None


def _mark(name: str) -> str:
    """What nobody sees at the head of a text, and later runs find it by."""
    return f"<!-- arquitectura {name} -->"


def _marked(name: str, text: str) -> str:
    return f"{_mark(name)}\n{text}"


def main() -> int:
    """Writes what stands on standard input; the exit code is 0 when it is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("comment").add_argument("number", type=int, help="of the pull request")
    what.add_parser("drift").add_argument("stack")
    arguments = parser.parse_args()
    repository = Repository(
        os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"]
    )
    text = sys.stdin.read().strip()
    try:
        if arguments.what == "comment":
            repository.comment(arguments.number, text)
        else:
            stack = arguments.stack
            repository.issue(f"drift {stack}", f"{stack} is not as its config says", text)
    except GitHubError as error:
        print(f"::error::{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
