"""The master playlist can be rendered for every form that a session may have."""

from itertools import product

import pytest

from rhapsode.agents.publish import master_playlist
from rhapsode.codecs.session import Form, Rendition


@pytest.mark.parametrize(
    ("segment_s", "bit_rate"), list(product([1.0, 2.0, 6.0], [48_000, 96_000, 192_000]))
)
def test_every_form_has_a_peak_above_its_average_above_its_nominal_rate(
    segment_s: float, bit_rate: int
) -> None:
    form = Form(segment_s=segment_s, renditions=(Rendition(bit_rate=bit_rate),))
    line = next(line for line in master_playlist(form).splitlines() if "BANDWIDTH" in line)
    pairs = (part.split("=") for part in line.partition(":")[2].split(","))
    values = {name: value for name, value in pairs if name.endswith("BANDWIDTH")}
    assert int(values["BANDWIDTH"]) > int(values["AVERAGE-BANDWIDTH"]) > bit_rate
