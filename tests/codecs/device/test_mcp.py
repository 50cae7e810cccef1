"""A device's tools: listed page by page, called, and never trusted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhapsode.codecs.device.mcp import (
    MAX_PAGES,
    MAX_PENDING,
    MAX_TOOLS,
    VOLUME_TOOL,
    McpClient,
    McpError,
    ToolAnswer,
)


def answered(client: McpClient, asked: Any, result: object) -> Any:
    return client.received({"jsonrpc": "2.0", "id": asked["id"], "result": result})


def with_tools(*names: str) -> McpClient:
    client = McpClient()
    asked = answered(client, client.start(), {})
    assert asked["method"] == "tools/list"
    assert answered(client, asked, {"tools": [{"name": name} for name in names]}) is None
    return client


def test_pages_are_followed_to_the_last():
    client = McpClient()
    first = answered(client, client.start(), {"protocolVersion": "2024-11-05"})
    assert first["params"]["cursor"] == ""
    second = answered(client, first, {"tools": [{"name": "a"}], "nextCursor": "p2"})
    assert second["params"]["cursor"] == "p2"
    assert answered(client, second, {"tools": [{"name": "b"}], "nextCursor": ""}) is None
    assert client.tools == {"a", "b"}


def test_the_volume_is_set_and_the_outcome_told():
    client = with_tools(VOLUME_TOOL)
    asked = client.set_volume(30)
    assert asked["params"] == {"name": VOLUME_TOOL, "arguments": {"volume": 30}}
    assert answered(client, asked, {"isError": False}) == ToolAnswer(asked["id"], VOLUME_TOOL)
    failed = client.set_volume(30)
    error = client.received({"id": failed["id"], "error": {"message": "no speaker"}})
    assert error == ToolAnswer(failed["id"], VOLUME_TOOL, "no speaker")


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_volume_out_of_bounds_is_refused(percent: int):
    with pytest.raises(McpError, match="between 0 and 100"):
        with_tools(VOLUME_TOOL).set_volume(percent)


def test_a_tool_that_there_is_not_cannot_be_called():
    with pytest.raises(McpError, match="no tool"):
        with_tools("a").set_volume(5)


def test_calls_that_nobody_answers_are_bounded():
    client = with_tools("a")
    for _ in range(MAX_PENDING):
        client.call("a", {})
    with pytest.raises(McpError, match="to answer"):
        client.call("a", {})


def test_endless_pages_and_tools_are_bounded():
    client = McpClient()
    asked, pages = answered(client, client.start(), {}), 0
    while asked is not None:
        pages += 1
        asked = answered(client, asked, {"nextCursor": "more", "tools": []})
    assert pages == MAX_PAGES
    crowded = with_tools(*(f"t{number}" for number in range(MAX_TOOLS + 50)))
    assert len(crowded.tools) == MAX_TOOLS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.integers(0, 5)}, optional={"result": json_values, "error": json_values}
        ),
        max_size=8,
    )
)
def test_no_answer_raises(payloads: list[dict[str, Any]]):
    client = McpClient()
    client.start()
    for payload in payloads:
        client.received(payload)
