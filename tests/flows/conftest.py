"""What the flows' tests share: runs without trouble, to hold the others to."""

import pytest
from standins.recordings import run_all
from standins.undisturbed import Undisturbed


@pytest.fixture(scope="session")
def undisturbed() -> dict[str, Undisturbed]:
    """Give, by stage, what was written and stored in a run without any trouble."""
    return run_all()
