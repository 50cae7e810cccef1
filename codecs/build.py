"""What the bytes of a session depend on besides its log.

Everything after ``audio-frame`` is a pure function of the log, given one codec build. A session
notes the build it began with; a worker or a replay of another build may make other bytes.

What counts, and why:

- our own revision: boxes, playlists, grids and encoder settings are ours;
- PyAV, FFmpeg, libavcodec and libavutil: the AAC encoder; PyAV's version names the wheel, hence
  how its libraries were compiled;
- libopus: device packets;
- libsoxr and its Python wheel: device frames are resampled after the log;
- the platform: operating system and processor architecture (x86-64 and ARM round differently).

What does not: numpy, which after ``audio-frame`` only converts, clips and rounds, all of it exact
(mastering computes with it, but mastered PCM is in the log); opuslib, a thin binding; and the
generation of the processor, since FFmpeg is kept off CPU-specific code and libopus gave the same
5000 packets at each of its five x86 levels (measured, 1.6.1).
"""

import sysconfig

import av
import soxr

from .libraries import opus_version

CODEC_REVISION = 1
"""Raise it with every change of ours that changes the bytes of any session."""


def codec_build() -> str:
    """Return a short identification of the codec build, equal on workers that make equal bytes.

    Such as ``r1 linux-x86_64 av18.1.0 ffmpeg8.1.2 avcodec62.28.102 avutil60.26.102 opus1.6.1
    soxr1.1.0/0.1.3``. It is to be compared as a whole; its parts are there for people.

    Raises:
        LibraryMissingError: there is no libopus.
    """
    return " ".join(
        (
            f"r{CODEC_REVISION}",
            sysconfig.get_platform(),
            f"av{av.__version__}",
            f"ffmpeg{av.ffmpeg_version_info}",
            f"avcodec{_dotted('libavcodec')}",
            f"avutil{_dotted('libavutil')}",
            f"opus{opus_version()}",
            f"soxr{soxr.__version__}/{soxr.__libsoxr_version__}",
        )
    )


def _dotted(library: str) -> str:
    return ".".join(map(str, av.library_versions[library]))
