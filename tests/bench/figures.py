"""What was measured, beside what it was measured against, and how it is shown."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ours beside a reference from the same run."""

    what: str
    unit: str
    ours: float
    reference: str = ""
    theirs: float | None = None
    wanted: str = ""
    """What the product wants of the ratio, or of the figure where there is no reference."""
    ours_runs: Sequence[float] = field(default_factory=tuple)
    theirs_runs: Sequence[float] = field(default_factory=tuple)

    @property
    def ratio(self) -> float | None:
        """Ours by theirs; None without a reference, or where it is 0."""
        return self.ours / self.theirs if self.theirs else None


@dataclass(slots=True)
class Measured:
    """Everything one benchmark found."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list[Figure])
    notes: list[str] = field(default_factory=list[str])
    load: tuple[float, float] = (0.0, 0.0)
    """The machine's load (1 minute) before and after."""
    took_s: float = 0.0

    def add(
        self,
        what: str,
        unit: str,
        ours: Sequence[float],
        reference: str = "",
        theirs: Sequence[float] = (),
        wanted: str = "",
    ) -> None:
        """Add the medians of two lists of runs."""
        self.figures.append(
            Figure(
                what,
                unit,
                statistics.median(ours),
                reference,
                statistics.median(theirs) if theirs else None,
                wanted,
                tuple(ours),
                tuple(theirs),
            )
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1)]


def show(measured: Measured, console: Console) -> None:
    """Print a table of one benchmark."""
    before, after = measured.load
    table = Table(
        title=f"{measured.name}: {measured.title}",
        caption=f"load {before:.1f} before, {after:.1f} after; took {measured.took_s:.0f} s",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("what", "ours", "unit", "reference", "theirs", "ratio", "wanted"):
        table.add_column(column, justify="right" if column in RIGHT else "left", overflow="fold")
    for figure in measured.figures:
        ratio = figure.ratio
        table.add_row(
            figure.what,
            number(figure.ours),
            figure.unit,
            figure.reference,
            "" if figure.theirs is None else number(figure.theirs),
            "" if ratio is None else f"{ratio:.2f}",
            figure.wanted,
        )
    console.print(table)
    for note in measured.notes:
        console.print(f"  {note}", markup=False, highlight=False, soft_wrap=True)
    console.print()


RIGHT = ("ours", "theirs", "ratio")


def number(value: float) -> str:
    """Return three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 or not value else f"{value:.3g}"


def as_json(found: Sequence[Measured], cores: int) -> dict[str, object]:
    """Return every figure with its runs, and when and on what kind of machine."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": cores, "architecture": platform.machine()},
        "python": platform.python_version(),
        "benchmarks": [
            asdict(measured)
            | {"figures": [asdict(item) | {"ratio": item.ratio} for item in measured.figures]}
            for measured in found
        ],
    }
