"""A worker's end: tasks that lose a cancellation, and a bound for all else."""

import asyncio
import subprocess
import sys

from rhapsode.ops.run.stopping import STUCK_STATUS, awaiting, cancel_the_rest


def test_a_task_that_loses_its_first_cancellation_is_cancelled_again() -> None:
    async def stubborn(lost: list[str]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.append("one")
        await asyncio.Event().wait()

    async def main() -> tuple[list[str], asyncio.Task[None]]:
        lost: list[str] = []
        task = asyncio.create_task(stubborn(lost))
        await asyncio.sleep(0)
        await cancel_the_rest()
        return lost, task

    lost, task = asyncio.run(main())
    assert lost == ["one"]
    assert task.cancelled()


def test_where_a_suspended_task_waits_is_told_from_the_outside_in() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    async def main() -> list[str]:
        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        places = awaiting(task.get_coro())
        task.cancel()
        return places

    places = asyncio.run(main())
    assert [place.split()[1] for place in places] == ["outer", "inner", "wait"]


def ended(body: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that is to end itself within no time, whatever it does."""
    program = (
        f"import asyncio, time, threading\nfrom rhapsode.ops.run.stopping import end_within\n{body}"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )


def test_a_task_that_will_not_end_does_not_keep_the_process() -> None:
    done = ended(
        "async def will_not():\n"
        "    while True:\n"
        "        try: await asyncio.sleep(3600)\n"
        "        except asyncio.CancelledError: pass\n"
        "async def main():\n"
        "    asyncio.create_task(will_not(), name='stubborn')\n"
        "    await asyncio.sleep(0)\n"
        "    end_within(0.0)\n"
        "asyncio.run(main())\n"
    )
    assert done.returncode == STUCK_STATUS, done.stderr
    assert "did not stop in time" in done.stdout + done.stderr


def test_a_thread_that_will_not_end_does_not_keep_the_process() -> None:
    done = ended(
        "async def main():\n"
        "    threading.Thread(target=threading.Event().wait, name='stubborn').start()\n"
        "    end_within(0.0)\n"
        "asyncio.run(main())\n"
    )
    assert done.returncode == STUCK_STATUS, done.stderr
