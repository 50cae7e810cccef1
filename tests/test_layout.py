"""The repository as a whole: what is packaged, how long files are, and what its papers promise."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer.main

from rhapsode.ops.cli.app import app
from rhapsode.topologies.registry import STAGE_NAMES

ROOT = Path(__file__).parents[1]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ROOMS = ("agents", "codecs", "ops", "storage", "topologies")
MOST_LINES = 300
MOST_LINES_OF_TESTS = 350
"""Tests of one thing stay together a little longer."""

_link = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_code = re.compile(r"`([^`\n]+)`")
_fence = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_heading = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_path = re.compile(rf"(?:{'|'.join(ROOMS)}|tests|docs)/[\w./-]+")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def source_files() -> Iterator[Path]:
    """Yield our own Python files, tests included."""
    for room in (*ROOMS, "tests"):
        yield from (path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)
    yield ROOT / "__init__.py"


def test_the_standard_library_keeps_its_codecs() -> None:
    program = (
        "import codecs, json, rhapsode.codecs as ours; "
        "print(json.dumps([codecs.lookup('utf-8').name, codecs.__file__, ours.__file__]))"
    )
    for flags in (["-c"], ["-P", "-c"]):
        ended = subprocess.run(
            [sys.executable, *flags, program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        name, standard, ours = json.loads(ended.stdout)
        assert name == "utf-8"
        assert Path(standard).parent == Path(json.__file__).parents[1]
        assert Path(ours).parent == ROOT / "codecs"


def test_every_folder_with_code_is_packaged_and_no_other() -> None:
    folders = {path.parent.relative_to(ROOT) for path in source_files()}
    code = {folder for folder in folders if folder.parts[:1] != ("tests",)}
    wanted = {".".join(("rhapsode", *folder.parts)) for folder in code}
    assert set(project()["tool"]["setuptools"]["packages"]) == wanted
    for folder in code:
        assert (ROOT / folder / "__init__.py").is_file()


def test_every_file_that_code_reads_is_packaged() -> None:
    patterns: dict[str, list[str]] = project()["tool"]["setuptools"]["package-data"]
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"]
    assert any(name.endswith(".lua") for name in names)
    for name in names:
        if name.endswith(".py"):
            continue
        packed = [
            pattern
            for package, listed in patterns.items()
            for pattern in listed
            if fnmatch(name, "/".join((*package.split(".")[1:], pattern)))
        ]
        assert packed, f"{name} would not be in the wheel: list it under package-data"


def test_files_are_short() -> None:
    too_long = {
        path.relative_to(ROOT).as_posix(): count
        for path in source_files()
        if (count := len(path.read_text().splitlines()))
        > (MOST_LINES_OF_TESTS if ROOT / "tests" in path.parents else MOST_LINES)
    }
    assert not too_long, "split them by what they are about"


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives a paper's headings."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _heading.findall(text))
    return {title.strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.relative_to(ROOT).as_posix())
def test_links_in_papers_lead_somewhere(paper: Path) -> None:
    broken: list[str] = []
    for target in _link.findall(_fence.sub("", paper.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (paper.parent / name).resolve() if name else paper
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            broken.append(target)
    assert not broken


def is_there(name: str) -> bool:
    """Say whether there is a file, a folder, a module or something in a module by that name."""
    module, _, member = name.partition(".")
    source = ROOT / f"{module}.py"
    if (ROOT / name).exists() or (source.is_file() and not member):
        return True
    return source.is_file() and bool(re.search(rf"\b{re.escape(member)}\b", source.read_text()))


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.relative_to(ROOT).as_posix())
def test_files_that_papers_name_are_there(paper: Path) -> None:
    named = [found for code in _code.findall(paper.read_text()) for found in _path.findall(code)]
    gone = [name for name in named if not is_there(name.rstrip("."))]
    # the README shows where one would put a stage of one's own
    assert set(gone) <= {"agents/announce.py"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_what_papers_say_to_make_can_be_made() -> None:
    for paper in PAPERS:
        text = paper.read_text()
        fenced = "\n".join(_fence.findall(text))
        said = re.findall(r"^make ([a-z]+)", fenced, re.MULTILINE)
        said += re.findall(r"`make ([a-z]+)", text)
        assert set(said) <= targets(), paper.name


def test_the_readme_tells_how_to_see_it_and_how_to_test_it() -> None:
    text = (ROOT / "README.md").read_text()
    assert {"demo", "test"} <= set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE))


def test_what_can_be_made_is_phony_and_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == targets()
    explained = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert explained == targets()


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words after ``rhapsode`` wherever a line of code runs it."""
    code = "\n".join([*_fence.findall(text), *_code.findall(_fence.sub("", text))])
    for line in code.splitlines():
        for run in re.split(r"[&|;]", line.partition("#")[0]):
            words = run.split()
            if words[:1] == ["rhapsode"] and len(words) > 1:
                yield words[1:]


def procfile_commands() -> Iterator[list[str]]:
    for line in (ROOT / "Procfile").read_text().splitlines():
        words = line.partition(": ")[2].split()
        assert words[0] == "rhapsode"
        yield words[1:]


def test_commands_that_papers_and_the_procfile_run_exist() -> None:
    group = typer.main.get_command(app)
    known: dict[str, Any] = vars(group)["commands"]
    runs = [run for paper in PAPERS for run in commands_in(paper.read_text())]
    runs += procfile_commands()
    assert len(runs) > 10
    for command, *arguments in runs:
        if command.startswith("-"):
            continue
        assert command in known, f"rhapsode {command}"
        named = known[command]
        for verb in vars(named).get("commands", {}) and arguments[:1]:
            if "|" not in verb:
                assert verb in named.commands, f"rhapsode {command} {verb}"
                named = named.commands[verb]
        options = {name for parameter in named.params for name in parameter.opts}
        for argument in arguments:
            if argument.startswith("-"):
                assert argument.partition("=")[0] in options | {"--help"}
            elif command == "worker":
                assert argument in (*STAGE_NAMES, "announce")


def test_the_procfile_runs_every_stage_once() -> None:
    stages = [
        stage for command, *names in procfile_commands() if command == "worker" for stage in names
    ]
    assert sorted(stages) == sorted(STAGE_NAMES)


def test_every_room_has_its_tests() -> None:
    for room in ROOMS:
        assert list((ROOT / "tests" / room).glob("test_*.py")), room
