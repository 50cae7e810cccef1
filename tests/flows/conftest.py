"""What the flows' tests share: one run without trouble, to hold the others to."""

import pytest
from standins.undisturbed import Undisturbed, run_undisturbed


@pytest.fixture(scope="session")
def undisturbed() -> Undisturbed:
    """Give what every stage wrote and stored in a run without any trouble."""
    return run_undisturbed()
