"""The commands in a block of shell, by the words that the shell would see."""

import re
import shlex
from collections.abc import Iterator, Sequence

SEPARATORS = {"|", "||", "&&", ";"}
REDIRECTIONS = {"<", ">", ">>"}
FUNCTION = re.compile(r"(\w+)\(\) \{ (.*) \}")


def functions(script: str) -> set[str]:
    """Names of the functions that a script defines, each on a line of its own."""
    return {match[1] for line in script.splitlines() if (match := FUNCTION.fullmatch(line))}


def commands(script: str) -> Iterator[Sequence[str]]:
    """Each simple command: those of pipes, of functions and of substitutions, too.

    Raises:
        ValueError: a quotation does not end.
    """
    for line in script.replace("\\\n", " ").splitlines():
        match = FUNCTION.fullmatch(line)
        yield from _of_line(match[2] if match else line)


def _of_line(line: str) -> Iterator[Sequence[str]]:
    for inner in _substitutions(line):
        yield from _of_line(inner)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in SEPARATORS:
            yield from [words] if words else []
            words = []
        else:
            words.append(word)
    yield from [_without_files(words)] if words else []


def _without_files(words: Sequence[str]) -> Sequence[str]:
    """The words without those that lead input or output to a file."""
    files = {n + 1 for n, word in enumerate(words) if word in REDIRECTIONS}
    return [word for n, word in enumerate(words) if n not in files and word not in REDIRECTIONS]


def _substitutions(line: str) -> Iterator[str]:
    """What stands in `$(…)`, which may hold another."""
    start = line.find("$(")
    while start >= 0:
        depth, end = 1, start + 2
        while depth and end < len(line):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        yield line[start + 2 : end - 1]
        start = line.find("$(", end)
