"""What one step of a workflow hands to the next."""

import os
import secrets
from pathlib import Path


def hand_over(name: str, text: str) -> None:
    """Sets an output of the step, and shows it on the page of the run."""
    end = secrets.token_hex(16)  # no text can hold it, and so end itself
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as file:
        file.write(f"{name}<<{end}\n{text}\n{end}\n")
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a") as file:
        file.write(f"{text}\n")
