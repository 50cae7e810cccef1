"""How the code for the server is divided: one place talks to it, one function runs each script."""

import ast
import re
from pathlib import Path

import rhapsode.storage.redis as package

FOLDER = Path(package.__file__ or "").parent
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}


def modules_imported_by(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_only_connections_talk_to_the_server():
    # `errors` knows the client's exceptions, to translate them
    importing = {name for name, source in SOURCES.items() if "redis" in modules_imported_by(source)}
    connections = {"blocking_connection", "clients", "connection", "servers"}
    assert importing == connections | {"cluster", "cluster_map", "errors"}


def test_every_script_is_run_by_the_typed_functions_and_by_nothing_else():
    scripts = {path.stem for path in (FOLDER / "lua").glob("*.lua")}
    run_in = {name: set(re.findall(r'\bscript\("(\w+)"\)', text)) for name, text in SOURCES.items()}
    typed = {
        "scripts",
        "group_scripts",
        "admission_scripts",
        "session_scripts",
        "epoch_scripts",
        "lease",
        "mending",
    }
    assert set[str]().union(*(run_in[name] for name in typed)) == scripts
    assert {name for name, run in run_in.items() if run} == typed


def test_every_script_documents_its_keys_and_its_reply():
    for path in (FOLDER / "lua").glob("*.lua"):
        head = re.match(r"(?:#!lua.*\n)?(?:--.*\n)+", path.read_text(encoding="utf-8"))
        assert head, path.name
        for part in ("KEYS:", "Reply:"):
            assert part in head[0], f"{path.name} does not document its {part}"
