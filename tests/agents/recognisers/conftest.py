"""Tries follow each other without a wait; how long they wait is tested in test_http_answers."""

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_waits():
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
