"""The shared libraries inside PyAV's wheel, and how they must be set up before first use.

Output bytes depend on the build of the codecs, so everything here prefers the libraries that the
pinned wheel brings along over whatever the system has.
"""

import ctypes
import ctypes.util
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import av


class LibraryMissingError(OSError):
    """A codec library is neither in PyAV's wheel nor on the system."""


def _bundled(name: str) -> str | None:
    """Return the path of a library in PyAV's wheel (Linux, macOS and Windows layouts)."""
    package = Path(av.__file__).parent
    patterns = (
        (package.parent / "av.libs", f"lib{name}-*.so*"),
        (package / ".dylibs", f"lib{name}.*dylib"),
        (package.parent / "av.libs", f"*{name}-*.dll"),
    )
    found = [path for folder, pattern in patterns for path in sorted(folder.glob(pattern))]
    return str(found[0]) if found else None


def avutil_library() -> str:
    """Return the path or name of the libavutil that PyAV itself runs on.

    Raises:
        LibraryMissingError: PyAV was built against a library that cannot be found here.
    """
    found = _bundled("avutil") or ctypes.util.find_library("avutil")
    if found is None:
        raise LibraryMissingError("libavutil cannot be found: install PyAV from its wheel")
    return found


def opus_library() -> str:
    """Return the path (in PyAV's wheel) or else the system's name of libopus.

    Raises:
        LibraryMissingError: there is none.
    """
    found = _bundled("opus") or ctypes.util.find_library("opus")
    if found is None:
        raise LibraryMissingError(
            "libopus cannot be found: install PyAV from its wheel, or the system's libopus"
        )
    return found


@cache
def opus_version() -> str:
    """Return the version of ``opus_library()``, such as ``1.6.1``; looked up once.

    Raises:
        LibraryMissingError: there is no libopus.
    """
    library = ctypes.CDLL(opus_library())
    library.opus_get_version_string.restype = ctypes.c_char_p
    version: bytes = library.opus_get_version_string()
    return version.decode().removeprefix("libopus ")


@cache
def force_portable_cpu() -> None:
    """Keep FFmpeg off CPU-specific code, so that the same input gives the same bytes anywhere.

    Without it AVX and FMA machines encode other AAC bytes than plain ones. It holds for the whole
    process and for codecs opened later, hence before the first one; measured cost ~0 %.

    Raises:
        LibraryMissingError: libavutil is missing, or is not the one PyAV runs on.
    """
    library = ctypes.CDLL(avutil_library())
    library.avutil_version.restype = ctypes.c_uint
    packed = library.avutil_version()
    version = (packed >> 16, packed >> 8 & 0xFF, packed & 0xFF)
    if version != av.library_versions["libavutil"]:
        raise LibraryMissingError(
            f"found libavutil {version}, but PyAV runs on {av.library_versions['libavutil']}: "
            "install PyAV from its wheel"
        )
    library.av_force_cpu_flags.argtypes = [ctypes.c_int]
    library.av_force_cpu_flags(0)


@cache
def opuslib() -> ModuleType:
    """Import ``opuslib`` on top of ``opus_library()``.

    It looks for a system-wide libopus at import and fails where there is none; so for that one
    import the search answers with the wheel's.

    Raises:
        LibraryMissingError: there is no libopus.
    """
    path = opus_library()
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: path if name == "opus" else search(name)
    try:
        with warnings.catch_warnings():
            # its first compilation warns of "is not" with a literal
            warnings.simplefilter("ignore", SyntaxWarning)
            return import_module("opuslib")
    finally:
        ctypes.util.find_library = search
