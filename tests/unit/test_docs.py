"""What README and docs tell people to type exists, and links lead somewhere."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, pairwise, takewhile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from config.plan import make_plan
from config.problems import ConfigError
from config.settings import parse_settings
from ops.settings_doc import page as settings_page
from ops.stack import REPOSITORY
from tests.committed import PUBLIC_KEY, TOKEN, committed, on_servers
from tests.markdown import Block, anchors, blocks, inline_code, links, pages
from tests.shell import commands, functions

STACKS = ("dev", "small", "prod")

DIAGRAMS = {"flowchart", "sequenceDiagram", "stateDiagram-v2"}

VARIABLES = {
    "HCLOUD_TOKEN",
    "PATH",
    "PGSSLROOTCERT",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE",
    "UPLOADS_PROJECT",
}
"""What may be set in the environment."""

OTHERS = {
    "cat",
    "docker",
    "gh",
    "git",
    "grep",
    "jq",
    "journalctl",
    "mc",
    "mkdir",
    "nano",
    "pg_dump",
    "psql",
    "reboot",
    "uv",
    "uvx",
}
"""Programs that are not ours. Whether their options exist is not looked at."""

SECRETS = {"hosts.token": TOKEN}
"""What is typed in where a command asks for a secret, if it must have a form."""

PAGES = pages()

needs_cli = pytest.mark.skipif(
    not shutil.which("pulumi"), reason="there is no Pulumi CLI, whose help has the commands"
)


def name(of: object) -> str:
    return str(of.relative_to(REPOSITORY)) if isinstance(of, Path) else str(of)


def every(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == language]


# -- Links -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: there is no {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link} names no heading"


# -- Blocks ------------------------------------------------------------------------------------


def check_yaml(block: Block) -> None:
    """A part of a stack's config, as it is written or with `config:` above it."""
    written = yaml.safe_load(dedent(block.text))
    written = written.get("config", written)
    foreign = [key for key in written if not key.startswith("arquitectura:")]
    assert not foreign, f"{block}: {foreign} is no part of a stack's config"
    parse_settings({key.removeprefix("arquitectura:"): value for key, value in written.items()})


def check_mermaid(block: Block) -> None:
    assert block.text.split()[0] in DIAGRAMS


def check_sql(block: Block) -> None:
    """It is run in `tests/local/test_commands.py`, if it is in a page of the docs."""
    assert block.page.parent in (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "docs" / "es")


def check_sh(block: Block) -> None:
    syntax = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
    assert syntax.returncode == 0, syntax.stderr
    own = functions(block.text)
    lines = list(commands(block.text))
    assert lines, f"{block} is empty"
    for words in lines:
        if words[0] not in own:
            check_command(words)
    check_config(lines)


CHECKS: Mapping[str, Callable[[Block], Any]] = {
    "": lambda block: None,  # what is printed
    "json": lambda block: json.loads(block.text),
    "mermaid": check_mermaid,
    "python": lambda block: compile(block.text, str(block), "exec"),
    "sh": check_sh,
    "sql": check_sql,
    "yaml": check_yaml,
}


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks(page)], ids=name)
def test_a_block_is_what_it_says(block: Block) -> None:
    assert block.language in CHECKS, f"{block}: {block.language} is not known here"
    CHECKS[block.language](block)


def test_there_are_blocks_of_each_kind() -> None:
    for language in CHECKS:
        assert every(language), language


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_sentences_exist(page: Path) -> None:
    for words in in_sentences(page):
        check_command(words)


@needs_cli
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pulumi_knows_its_commands(page: Path) -> None:
    scripts = (commands(block.text) for block in blocks(page) if block.language == "sh")
    for words in (*chain.from_iterable(scripts), *in_sentences(page)):
        check_cli(words)


def in_sentences(page: Path) -> Iterator[Sequence[str]]:
    """The commands of ours within a page's sentences."""
    for code in inline_code(page):
        if code.startswith(("make ", "pulumi ")):
            yield from commands(code)


@pytest.mark.parametrize(
    "wrong",
    [
        "make upp",
        "make up STAK=prod",
        "make logs SERVICE=citus-coordinatr",
        "pulumi up --stack staging",
        "pulumi config set --stack dev --path 'arquitectura:citus.wokers' 3",
        "pulumi config set --stack dev --path 'arquitectura:citus.workers' 0",
        "pulumi config rm --stack dev --path 'arquitectura:projects.shop.protection'",
        "ssh -F .arquitectura/prod/ssh_config data-9",
        "export PGROOTCERT=ca.crt",
        "brew install pulumi",
        'psql "$(make outputs)"',
    ],
)
def test_what_does_not_exist_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, ConfigError)):
        check_sh(Block(REPOSITORY / "README.md", 1, "sh", wrong))


@needs_cli
@pytest.mark.parametrize("wrong", ["pulumi upp", "pulumi up --stak dev", "pulumi stack outputs"])
def test_what_pulumi_does_not_know_is_found(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check_cli(wrong.split())


# -- Commands ----------------------------------------------------------------------------------


def check_command(words: Sequence[str]) -> None:
    """Fails when a command, or what it is told, does not exist."""
    words = list(words)
    while words and (assigned := re.match(r"(\w+)=", words[0])):
        assert assigned[1] in VARIABLES, f"{assigned[1]} is not known"
        del words[0]
    if not words:
        return
    program, *arguments = words
    if program == "export":
        for one in arguments:
            assert one.partition("=")[0] in VARIABLES, f"{one} is not known"
    elif program in ("make", "pulumi", "ssh"):
        {"make": check_make, "pulumi": check_pulumi, "ssh": check_ssh}[program](arguments)
    elif program == "cd":
        assert all((REPOSITORY / folder).is_dir() for folder in arguments), arguments
    else:
        assert program in OTHERS, f"{program} is not known"


def check_make(arguments: Sequence[str]) -> None:
    given = dict(one.split("=", 1) for one in arguments if "=" in one)
    for target in (one for one in arguments if "=" not in one):
        targets = make_targets()
        assert target in targets, f"the Makefile has no {target}"
        for variable, value in given.items():
            assert variable in targets[target], f"make {target} knows no {variable}"
            check_value(variable, value)


def check_value(variable: str, value: str) -> None:
    known = {"STACK": set(STACKS), "PROJECT": {"shop"}, "SERVICE": services()}
    if variable in known and value not in ("…", ""):
        assert value in known[variable], f"there is no {variable}={value}"


@cache
def make_targets() -> Mapping[str, set[str]]:
    """The variables that each target of the Makefile takes."""
    text = (REPOSITORY / "Makefile").read_text()
    targets = {}
    for rule in re.finditer(r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", text, re.MULTILINE):
        variables = set(re.findall(r"\$\(([A-Z]+)\)", rule[3])) - {"PYTHON"}
        if "setup" in (rule[1], *rule[2].split()):
            variables.add("SANDBOX")  # ops/setup.sh
        targets[rule[1]] = variables
    return targets


def services() -> set[str]:
    """Names of containers that a stack has, as the plan gives them."""
    found = {"edge"}
    for stack in STACKS:
        plan = make_plan(parse_settings(base(stack)), stack)
        nodes = [node.name for node in (*plan.minio.nodes, *plan.citus.nodes)]
        measuring = [one.name for one in plan.monitoring.services] if plan.monitoring else []
        found |= {one.removeprefix(plan.prefix) for one in (*nodes, *measuring)}
    return found


def check_ssh(arguments: Sequence[str]) -> None:
    words = iter(arguments)
    stack, server = "", ""
    for word in words:
        if word == "-F":
            match = re.fullmatch(r"\.arquitectura/(\w+)/ssh_config", next(words))
            assert match, "not a stack's own ssh_config"
            stack = match[1]
        elif word in ("-L", "-o"):
            next(words)
        elif not word.startswith("-"):
            server = word
            break
    hetzner = make_plan(parse_settings(base(stack)), stack).hetzner
    assert hetzner
    assert server in {one.name for one in hetzner.servers}, f"{stack} has no server {server}"
    if command := list(words):
        check_command(command)


def check_pulumi(arguments: Sequence[str]) -> None:
    if "--stack" in arguments:
        stack = arguments[arguments.index("--stack") + 1]
        assert stack in STACKS, f"there is no stack {stack}"


def check_cli(words: Sequence[str]) -> None:
    """Fails when it is a command of Pulumi's that its CLI does not know."""
    if "pulumi" not in words:
        return
    arguments = words[words.index("pulumi") + 1 :]
    named = list(takewhile(lambda word: not word.startswith("-"), arguments))[:2]
    command, text = pulumi_help(*named)
    assert command, f"pulumi has no {' '.join(named)}"
    for flag in (one.partition("=")[0] for one in arguments if one.startswith("-")):
        assert re.search(rf"(^|\s){re.escape(flag)}\b", text), f"{command} knows no {flag}"


@cache
def pulumi_help(*words: str) -> tuple[str, str]:
    """The command that the words name, and its help; neither where they name none."""
    text = subprocess.run(
        ["pulumi", *words, "--help"], capture_output=True, text=True, check=False
    ).stdout
    usage = re.search(r"Usage:\n  pulumi((?: [a-z-]+)*)(.*)", text)
    if not usage or not usage[1]:
        return "", ""
    named, takes_more = usage[1].split(), re.search(r"[<\[](?!flags|command)", usage[2])
    return (f"pulumi{usage[1]}", text) if takes_more or [*words] == named else ("", "")


# -- Config ------------------------------------------------------------------------------------


def base(stack: str) -> dict[str, Any]:
    """The committed config of a stack, with what each user adds."""
    return committed(stack) if stack == "dev" else on_servers(stack)


def check_config(lines: Sequence[Sequence[str]]) -> None:
    """The settings that a block's commands make, one on the other, are valid."""
    changed: dict[str, dict[str, Any]] = {}
    for words in lines:
        match list(words):
            case ["pulumi", "config", ("set" | "rm") as what, *arguments]:
                stack, path, value = config_arguments(what, arguments)
                sections = changed.setdefault(stack, base(stack))
                assert settings_key(path) in settings_keys(), f"there is no setting {path}"
                if what == "set":
                    put(sections, path, value)
    for sections in changed.values():
        if sections.get("hosts", {}).get("provider") == "hetzner":
            sections["hosts"] = {**on_servers("prod")["hosts"], "data": None, **sections["hosts"]}
        parse_settings(sections)


def config_arguments(what: str, arguments: Sequence[str]) -> tuple[str, str, Any]:
    """Stack, path below `arquitectura:` and value, as the CLI reads them."""
    words = list(arguments)
    assert "--path" in words, "--path is missing"
    stack = words[words.index("--stack") + 1] if "--stack" in words else "dev"
    if "--stack" in words:
        del words[words.index("--stack") : words.index("--stack") + 2]
    path, *value = (word for word in words if not word.startswith("--"))
    assert path.startswith("arquitectura:"), f"{path} is not the program's"
    path = path.removeprefix("arquitectura:")
    if what == "rm":
        return stack, path, None
    if "--secret" in words and not value:
        return stack, path, SECRETS.get(path, "typed in")
    (text,) = value
    if "id_ed25519.pub" in text:
        return stack, path, PUBLIC_KEY
    return stack, path, {"true": True, "false": False}.get(text, whole(text))


def whole(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def put(sections: dict[str, Any], path: str, value: Any) -> None:
    keys = [int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", path)]
    place: Any = sections
    for key, following in pairwise(keys):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(place, list):
            if key == len(place):
                place.append(empty)
            place = place[key]
        else:
            place = place.setdefault(key, empty)
    if isinstance(place, list) and keys[-1] == len(place):
        place.append(value)
    else:
        place[keys[-1]] = value


@cache
def settings_keys() -> frozenset[str]:
    """Every key, as the page of settings writes it, and every section."""
    written = re.findall(r"^\| `([^`]+)` \|", settings_page(), re.MULTILINE)
    sections = [key.rpartition(".")[0] for key in written if key.endswith(".<name>")]
    parts = [key[: match.start()] for key in written for match in re.finditer(r"\.|\[", key)]
    return frozenset([*written, *sections, *parts])


def settings_key(path: str) -> str:
    """A path as the page of settings would write it."""
    path = re.sub(r"\[\d+\]", "[]", path)
    path = re.sub(r"(?<=^projects\.)[\w-]+", "<name>", path)
    path = re.sub(r"(?<=\.buckets\.)[\w-]+", "<name>", path)
    return path if path in settings_keys() else path.removesuffix("[]")


def settings_in(page: Path) -> Iterator[str]:
    """What looks like a setting in a page's sentences."""
    sections = "|".join(sorted({key.partition(".")[0] for key in settings_keys()} - {"protect"}))
    for code in inline_code(page):
        match = re.match(rf"(?:arquitectura:)?((?:{sections})\.[\w.<>\[\]-]+)", code)
        if match and not match[1].endswith(".<domain>"):
            yield match[1].rstrip(".")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_in_sentences_exist(page: Path) -> None:
    for path in settings_in(page):
        assert settings_key(path) in settings_keys(), f"{name(page)}: there is no setting {path}"
