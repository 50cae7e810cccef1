"""Stories that come with the package, ours and free to use."""

from pathlib import Path

FOLDER = Path(__file__).parent


def story(name: str) -> str:
    """Return a bundled story's text.

    Raises:
        ValueError: there is none of that name; the message lists those there are.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.txt"))
    if name not in names:
        raise ValueError(f"there is no story {name[:80]!r}; there are {', '.join(names)}")
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
