"""One running system for all live tests: real Valkey, workers, gateway; espeak-ng speaks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from system import Running, running


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("live") / "state") as system:
        yield system


@pytest.fixture(scope="session")
def chromium() -> Path:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return Path(found)
    pytest.skip("no Chromium is installed here, and 'make test' may not install one")
