"""`make dashboards`: writes `docs/dashboards/<uid>.json`."""

import sys
from pathlib import Path

from dashboards import DASHBOARDS
from dashboards.render import render

FOLDER = Path(__file__).parent.parent / "docs" / "dashboards"


def main() -> int:
    """Writes the files, and removes those of dashboards that are gone."""
    files = {FOLDER / f"{page.uid}.json": render(page) for page in DASHBOARDS}
    FOLDER.mkdir(exist_ok=True)
    for old in set(FOLDER.glob("*.json")) - set(files):
        old.unlink()
    for path, text in files.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
