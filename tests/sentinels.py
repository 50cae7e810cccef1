"""A master, a replica and three Sentinels on loopback ports: real servers, to be killed."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from server_processes import Server, run_server, wait_until

SERVICE = "log"


class Deployment:
    """What operators run: whoever asks the Sentinels is told the master."""

    def __init__(self, folder: Path, password: str) -> None:
        self._folder = folder
        self._password = password
        self.servers: list[Server] = []
        self._sentinels: list[Server] = []

    @property
    def url(self) -> str:
        """The URL by which Rhapsode finds the master."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self._sentinels)
        return f"redis+sentinel://:{quote(self._password)}@{hosts}/{SERVICE}"

    @property
    def broker_urls(self) -> str:
        """The same for Faust, which parts hosts by semicolons."""
        first, *others = (f"127.0.0.1:{one.port}" for one in self._sentinels)
        return ";".join(
            [
                f"redis+sentinel://:{quote(self._password)}@{first}/{SERVICE}",
                *(f"redis+sentinel://{other}/{SERVICE}" for other in others),
            ]
        )

    def start(self) -> None:
        """Start all, and wait until the Sentinels know each other and the replica follows."""
        master = self._server("master", [])
        replica = self._server("replica", [f"replicaof 127.0.0.1 {master.port}"])
        self.servers = [master, replica]
        wait_until(lambda: self.info(replica, "master_link_status") == "up", "no replication")
        for number in range(3):
            self._sentinels.append(self._sentinel(number, master.port))
        for one in self._sentinels:
            wait_until(lambda one=one: self._knows_all(one), "the Sentinels do not agree")

    def _server(self, name: str, lines: list[str]) -> Server:
        return self._run(
            name,
            [
                f"requirepass {self._password}",
                f"masterauth {self._password}",
                "appendonly yes",
                'save ""',
                "repl-diskless-sync-delay 0",
                *lines,
            ],
        )

    def _sentinel(self, number: int, master_port: int) -> Server:
        return self._run(
            f"sentinel-{number}",
            [
                f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} 2",
                f"sentinel auth-pass {SERVICE} {self._password}",
                f"sentinel down-after-milliseconds {SERVICE} 1000",
                f"sentinel failover-timeout {SERVICE} 5000",
            ],
            "--sentinel",
        )

    def _run(self, name: str, lines: list[str], *arguments: str) -> Server:
        return run_server(self._folder / name, lines, *arguments)

    def client(self, server: Server) -> Any:
        """Return a plain client of one server."""
        password = self._password if server in self.servers else None
        return redis.Redis(port=server.port, password=password, decode_responses=True)

    def info(self, server: Server, field: str) -> str:
        """Return a field of INFO, empty where the server does not answer."""
        client = self.client(server)
        try:
            return str(client.info().get(field, ""))
        except redis.RedisError:
            return ""
        finally:
            client.close()

    def _knows_all(self, sentinel: Server) -> bool:
        client = self.client(sentinel)
        try:
            known = client.sentinel_master(SERVICE)
            return (int(known["num-other-sentinels"]), int(known["num-slaves"])) == (2, 1)
        except (redis.RedisError, ValueError):
            return False
        finally:
            client.close()

    def fail_over(self) -> None:
        """Kill the master, and wait until the replica has its place."""
        master, replica = self.servers
        master.kill()
        wait_until(lambda: self.info(replica, "role") == "master", "no failover")
        self.servers = [replica]

    def stop_replication(self) -> None:
        """Have the replica fall behind: what the master acknowledges now is lost with it."""
        master, replica = self.servers
        client = self.client(replica)
        # a wrong password breaks the link, and the replica stays a replica that may be promoted
        client.config_set("masterauth", "wrong")
        client.close()
        client = self.client(master)
        client.execute_command("CLIENT", "KILL", "TYPE", "REPLICA")
        client.close()
        wait_until(lambda: self.info(replica, "master_link_status") == "down", "still linked")

    def stop(self) -> None:
        """End all."""
        for one in (*self._sentinels, *self.servers):
            one.kill()
