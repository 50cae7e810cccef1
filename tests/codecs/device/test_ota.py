"""What devices report of themselves, and what they are told."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.bounded_json import JsonError
from rhapsode.codecs.device.ota import DeviceReport, ota_answer, parse_report


@pytest.mark.parametrize(
    ("body", "agent", "report"),
    [
        ("", "", DeviceReport()),
        ("", "xmini-c3/1.8.2", DeviceReport("1.8.2", "", "xmini-c3")),
        (
            '{"chip_model_name":"esp32s3","application":{"version":"2.0.0"},"board":{"type":"b"}}',
            "other/1",
            DeviceReport("2.0.0", "esp32s3", "b"),
        ),
        ('{"application":null,"board":{"name":"n"}}', "", DeviceReport("1.0.0", "", "n")),
    ],
)
def test_reports_are_read(body: str, agent: str, report: DeviceReport):
    assert parse_report(body, agent) == report


@pytest.mark.parametrize(
    "body",
    ["[]", "{", '{"board":[]}', '{"board":{"type":1}}', '{"chip_model_name":"%s"}' % ("x" * 101)],
)
def test_what_is_no_report_is_refused(body: str):
    with pytest.raises(JsonError):
        parse_report(body)


@given(st.text(max_size=200) | st.binary(max_size=200), st.text(max_size=50))
def test_nothing_else_is_raised(body: str | bytes, agent: str):
    with suppress(JsonError):
        assert len(parse_report(body, agent).firmware) <= 100


@pytest.mark.parametrize(
    ("report", "lead"),
    [
        (DeviceReport(chip="esp32c3"), 2),
        (DeviceReport(chip="ESP32-C3"), 2),
        (DeviceReport(board="xmini-c3"), 2),
        (DeviceReport(chip="esp32s3", board="bread-compact-wifi"), 5),
        (DeviceReport(), 5),
    ],
)
def test_a_small_chip_is_sent_less_ahead(report: DeviceReport, lead: int):
    assert report.lead() == lead
    assert report.lead(0) == 0


def test_the_answer_makes_a_device_neither_upgrade_nor_wait_nor_use_mqtt():
    answer = ota_answer(DeviceReport("1.2.3"), url="ws://a/", token="t", version=3, now_ms=5)
    assert answer["firmware"] == {"version": "1.2.3", "url": ""}
    assert answer["websocket"] == {"url": "ws://a/", "token": "t", "version": 3}
    assert set(answer) == {"server_time", "firmware", "websocket"}
