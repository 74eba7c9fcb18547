"""Measures and prints every figure, or those that are named (a, b, c, d)."""

import argparse
import sys

from bench import nochange, scaling, startup, upload
from tests.stack import real

FIGURES = {
    "a": startup.measure,
    "b": nochange.measure,
    "c": scaling.measure,
    "d": upload.measure,
}


def main() -> int:
    """Runs the figures; 0 when all could be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", default=list(FIGURES))
    for service in ("citus", "minio"):
        print(f"{service}: {'the real one' if real(service) else 'the stand-in'}", flush=True)
    for figure in parser.parse_args().figures:
        FIGURES[figure]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
