"""Which of many keys are nearest to one: an inverted index of trigrams, weighted by rarity."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_LETTERS = "\0abcdefghijklmnopqrstuvwxyz0123456789"
_EDGE = len(_LETTERS)
_BASE = _EDGE + 1
_CODES = np.zeros(256, np.int64)
for _code, _letter in enumerate(_LETTERS):
    _CODES[ord(_letter)] = _code
_CODES[ord("^")] = _EDGE
_GRAMS = _BASE**3

_WEIGHT_UNIT = 16
"""Weights are whole sixteenths, so that sums are the same on every machine."""
_LACKING, _SURPLUS = 0.5, 0.2
"""What the asked-for trigrams a key lacks, and its own that were not asked for, count (Tversky)."""


class TrigramIndex:
    """Keys of ``a-z0-9`` (spaces do not count), by number."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._count = len(keys)
        grams, owners = _distinct_grams(keys)
        self._owners = owners.astype(np.int32)
        frequencies = np.bincount(grams, minlength=_GRAMS)
        self._starts = np.concatenate(([0], np.cumsum(frequencies))).astype(np.int64)
        self._weights = _rarity(frequencies, self._count)
        totals = np.bincount(owners, weights=self._weights[grams], minlength=self._count)
        self._totals = totals.astype(np.int32)

    def nearest(self, key: str, count: int) -> list[int]:
        """Return the numbers of at most ``count`` keys that share trigrams, the nearest first."""
        grams, _ = _distinct_grams([key])
        if not len(grams) or not self._count:
            return []
        runs = [self._owners[self._starts[gram] : self._starts[gram + 1]] for gram in grams]
        lengths = [len(run) for run in runs]
        weights = np.repeat(self._weights[grams].astype(np.float64), lengths)
        shared = np.bincount(np.concatenate(runs), weights=weights, minlength=self._count)
        asked = float(self._weights[grams].sum())
        found = np.flatnonzero(shared)
        common = shared[found]
        nearness = common / (
            common
            + _LACKING * (asked - common)
            + _SURPLUS * np.maximum(self._totals[found] - common, 0.0)
        )
        if len(found) > count:
            least = np.partition(nearness, len(nearness) - count)[len(nearness) - count]
            kept = nearness >= least
            found, nearness = found[kept], nearness[kept]
        order = np.lexsort((found, -nearness))[:count]
        return [int(each) for each in found[order]]


def _distinct_grams(
    keys: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return every trigram of every key once, with the key's number, ordered by trigram."""
    joined = [f"^{key.replace(' ', '')}^" for key in keys]
    letters = _CODES[np.frombuffer("".join(joined).encode("ascii", "replace"), np.uint8)]
    owners = np.repeat(np.arange(len(joined)), [len(each) for each in joined])
    if len(letters) < 3:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing
    whole = owners[:-2] == owners[2:]
    grams = (letters[:-2] * _BASE + letters[1:-1]) * _BASE + letters[2:]
    pairs = np.unique(grams[whole] * len(joined) + owners[:-2][whole])
    return pairs // len(joined), pairs % len(joined)


def _rarity(frequencies: npt.NDArray[np.int64], keys: int) -> npt.NDArray[np.int32]:
    distinct, places = np.unique(frequencies, return_inverse=True)
    weights = [round(_WEIGHT_UNIT * math.log(1 + (keys + 1) / (each + 1))) for each in distinct]
    return np.array(weights, np.int32)[places]
