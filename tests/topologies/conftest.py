"""Faust apps leave cycles of suspended coroutines behind; they are collected at once here.

Where the collector runs their finalisers in the middle of `ast.parse` (pytest rewrites and prints
source all the time), CPython before 3.11.8 fails with "AST constructor recursion depth mismatch"
(python/cpython#106905).
"""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()
