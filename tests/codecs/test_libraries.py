import ctypes
import ctypes.util
import re
from pathlib import Path

import av
import pytest

from rhapsode.codecs.libraries import (
    LibraryMissingError,
    avutil_library,
    force_portable_cpu,
    opus_library,
    opus_version,
    opuslib,
)


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Let PyAV look like one built from source: no libraries beside it."""
    monkeypatch.setattr(av, "__file__", str(tmp_path / "av" / "__init__.py"))


def test_the_libraries_are_those_of_the_wheel():
    folder = Path(av.__file__).parent.parent
    assert folder in Path(opus_library()).parents
    assert folder in Path(avutil_library()).parents


def test_cpu_specific_code_is_off_for_the_whole_process():
    force_portable_cpu()
    assert ctypes.CDLL(avutil_library()).av_get_cpu_flags() == 0


def test_opuslib_runs_on_the_wheel_and_leaves_the_search_as_it_was():
    search = ctypes.util.find_library
    assert opuslib().api.libopus._name == opus_library()
    assert ctypes.util.find_library is search


def test_the_version_of_libopus_is_digits_and_dots():
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", opus_version())


@pytest.mark.usefixtures("without_wheel")
def test_without_a_wheel_the_system_is_searched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ctypes.util, "find_library", "lib{}.so.7".format)
    assert (opus_library(), avutil_library()) == ("libopus.so.7", "libavutil.so.7")


@pytest.mark.usefixtures("without_wheel")
def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    nothing: dict[str, str] = {}
    monkeypatch.setattr(ctypes.util, "find_library", nothing.get)
    with pytest.raises(LibraryMissingError, match="libopus cannot be found: install PyAV"):
        opus_library()
    with pytest.raises(LibraryMissingError, match="libavutil cannot be found: install PyAV"):
        avutil_library()


def test_another_libavutil_than_pyavs_is_refused(monkeypatch: pytest.MonkeyPatch):
    # its switch would turn nothing off where the encoder runs
    monkeypatch.setitem(av.library_versions, "libavutil", (1, 2, 3))
    with pytest.raises(LibraryMissingError, match=r"PyAV runs on \(1, 2, 3\)"):
        force_portable_cpu.__wrapped__()
