import subprocess
import sys
import sysconfig

import av
import pytest
import soxr

from rhapsode.codecs import build
from rhapsode.codecs.build import codec_build

HERE = codec_build()


def test_another_process_names_the_same_build():
    code = "from rhapsode.codecs.build import codec_build; print(codec_build())"
    again = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd="/"
    )
    assert again.stdout.strip() == HERE


def test_it_is_short_and_names_what_was_pinned():
    assert len(HERE) < 160
    assert HERE.isascii()
    assert f" av{av.__version__} " in HERE
    assert "opus1." in HERE


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (build, "CODEC_REVISION", build.CODEC_REVISION + 1),
        (build, "opus_version", lambda: "1.3.1"),
        (sysconfig, "get_platform", lambda: "linux-aarch64"),
        (av, "__version__", "18.1.1"),
        (av, "ffmpeg_version_info", "8.1.3"),
        (av, "library_versions", {**av.library_versions, "libavcodec": (62, 28, 103)}),
        (av, "library_versions", {**av.library_versions, "libavutil": (60, 26, 103)}),
        (soxr, "__version__", "1.1.1"),
        (soxr, "__libsoxr_version__", "0.1.4"),
    ],
)
def test_it_changes_with_each_part(monkeypatch: pytest.MonkeyPatch, owner, name, value):
    monkeypatch.setattr(owner, name, value)
    assert codec_build() != HERE


def test_it_does_not_change_with_what_makes_no_bytes(monkeypatch: pytest.MonkeyPatch):
    changed = {**av.library_versions, "libswscale": (1, 2, 3)}
    monkeypatch.setattr(av, "library_versions", changed)
    assert codec_build() == HERE
