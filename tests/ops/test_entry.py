"""The command line's first step."""

import sys

import pytest

from rhapsode.ops.cli import entry


class Interrupts:
    """Finds one module by a Ctrl-C."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "rhapsode.ops.cli.app":
            raise KeyboardInterrupt


def test_who_presses_control_c_while_it_loads_sees_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "rhapsode.ops.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupts, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == entry.INTERRUPTED
