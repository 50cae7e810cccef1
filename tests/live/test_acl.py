"""A user of the log's server with no more rights than the documentation asks for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from broker import Broker
from cluster import Cluster
from ports import free_port
from redis.exceptions import NoPermissionError
from system import Running, rhapsode

from rhapsode.storage.log import GroupTimings, NewEntry
from rhapsode.storage.opening import open_log

DOCS = Path(__file__).parents[2] / "docs" / "log.md"
PASSWORD = "rights-4821"
PARTITIONS = 6
STORY = "The gull looked at him. It knew the way home, and it did not tell."


def documented_rights(admin: Any) -> list[str]:
    """Return the words of the documented ACL SETUSER, but one that old servers do not know."""
    block = re.search(r"```\n(ACL SETUSER .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block, "docs/log.md names no rights"
    words = block[1].replace(">PASSWORD", f">{PASSWORD}").split()
    version = tuple(map(int, admin.info("server")["redis_version"].split(".")))
    return [word for word in words if word != "+client|setinfo" or version >= (7, 2)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker", "admin-word")
    broker.start()
    yield broker
    broker.kill()


def test_the_documented_rights_are_enough_for_the_whole_product(
    broker: Broker, tmp_path: Path
) -> None:
    admin: Any = broker.client()
    admin.execute_command(*documented_rights(admin))
    state, port = tmp_path / "state", free_port()
    url = f"redis://rhapsode:{PASSWORD}@127.0.0.1:{broker.port}/0"
    variables = {"state": str(state), "port": str(port), "voices": "espeak", "redis_url": url}
    variables["keep_log_mb"] = "5"
    system = Running(state, port, variables)
    system.spawn("up", "up")
    try:
        system.wait_ready()
        sessions = [system.start(STORY), system.start(STORY, ahead_s=20)]
        for session in sessions:
            assert system.wait_finished(session)["state"] == "SUCCESS"
        assert admin.xadd("rhapsode:in:text", {"text": STORY, "session": "from-outside"})
        assert system.wait_finished("from-outside")["state"] == "SUCCESS"
        verified = rhapsode("replay", sessions[0], "--verify", **variables)
        assert verified.returncode == 0, verified.stderr
        for command in (["topics"], ["sessions"], ["gc"], ["dead", "ls"], ["doctor"]):
            said = rhapsode(*command, **variables)
            assert "denies access" not in said.stdout + said.stderr, said
        assert rhapsode("keys", "add", "me", **variables).returncode == 0
        admin.xadd("{rhapsode:3}:log:chunk", {"x": "y"})
        assert "1 put aside" in rhapsode("mend", **variables).stdout
    finally:
        system.stop()
    assert admin.execute_command("ACL", "LOG") == []
    admin.close()


async def test_they_are_enough_on_a_cluster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "admin-word", replicas=True)
    try:
        cluster.start()
        nodes = cluster.masters + cluster.replicas
        for node in nodes:
            admin: Any = redis.Redis(port=node.port, password="admin-word")
            admin.execute_command(*documented_rights(admin))
            admin.close()
        url = cluster.url.replace(":admin-word@", f"rhapsode:{PASSWORD}@")
        log, groups = open_log(url, "rhapsode")
        for number in range(PARTITIONS):
            await log.append("t", number, [NewEntry(b"k", b"v")])
        assert await log.replicate(range(PARTITIONS), 30.0)
        assert len(await log.read({("t", number): 0 for number in range(PARTITIONS)})) == PARTITIONS
        await groups.join("g", "m", b"", GroupTimings())
        await log.close()
        assert [cluster.ask(node, "ACL", "LOG") for node in nodes] == [[]] * len(nodes)
    finally:
        cluster.stop()


def test_who_has_them_can_read_and_change_nothing_else(broker: Broker) -> None:
    admin: Any = broker.client()
    admin.execute_command(*documented_rights(admin))
    admin.set("somebody-elses", "secret")
    client: Any = redis.Redis(port=broker.port, username="rhapsode", password=PASSWORD)
    for words in (
        ("GET", "somebody-elses"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("CLIENT", "KILL", "TYPE", "NORMAL"),
        ("ACL", "LIST"),
        ("SHUTDOWN",),
    ):
        with pytest.raises(NoPermissionError):
            client.execute_command(*words)
    client.close()
    admin.close()
