"""Pace: production stops ahead of who listens, goes on as they do, and makes the same sound."""

import math

import pytest
from standins.in_memory import System, accepted
from standins.retention import Clocked
from standins.split_items import agent
from standins.waiting import until

from rhapsode.agents.admitting import Admitter
from rhapsode.agents.pace import SECONDS_A_CHARACTER, Pacer, Runway, granted_s
from rhapsode.agents.split import Split
from rhapsode.codecs.records import AudioFrame, Chunk, Control, Item, Session, text_items
from rhapsode.codecs.session import Pace

TEXT = "A sentence of about fifty characters, or of some more. " * 40
AHEAD_S = 10.0
PACED = Pace(ahead_s=AHEAD_S)


def go_on(seq: int, until_s: float) -> Control:
    return Control(session="s", seq=seq, verb="produce", until_s=until_s)


async def paced(*items: Item) -> System:
    system = await accepted("s", pace=PACED)
    await system.append(items)
    return system


async def cut_so_far(system: System) -> float:
    """Return how long what is cut will sound, by the estimate."""
    chunks = await system.records(Chunk, "s/0")
    return sum(len(chunk.text) for chunk in chunks) * SECONDS_A_CHARACTER


async def handed(system: System, *records: object) -> Split:
    split = agent(system)
    await system.hand(split, "s", records)
    return split


async def test_cutting_stops_where_what_is_cut_is_enough() -> None:
    items = text_items("s", 0, TEXT, item_end=True, last=True)
    system = await paced(*items)
    await handed(system, *items)
    assert AHEAD_S <= await cut_so_far(system) < AHEAD_S + 10
    await handed(system, *items)  # delivered again, as after a crash
    assert AHEAD_S <= await cut_so_far(system) < AHEAD_S + 10


async def test_it_goes_on_as_far_as_it_is_let_and_cuts_as_if_it_had_never_stopped() -> None:
    items = text_items("s", 0, TEXT, item_end=True, last=True)
    system, free = await paced(*items), await accepted("s")
    await free.append(items)
    await free.hand(agent(free), "s", items)
    await handed(system, *items)
    for seq, until_s in enumerate((25.0, 25.0, 60.0, 1e6)):
        control = go_on(seq, until_s)
        await system.append([control])
        await handed(system, control)
        if until_s < 1e6:
            assert until_s <= await cut_so_far(system) < until_s + 10
    assert await system.records(Chunk, "s/0") == await free.records(Chunk, "s/0")


async def test_a_listener_or_an_owner_who_asks_for_something_else_does_not_wake_it() -> None:
    items = text_items("s", 0, TEXT, item_end=True, last=True)
    system = await paced(*items)
    await handed(system, *items)
    before = await cut_so_far(system)
    await handed(system, Control(session="s", seq=0, verb="listening", position_s=500.0))
    assert await cut_so_far(system) == before


async def test_nothing_follows_an_object_before_that_is_mastered() -> None:
    song = Item(session="s", seq=0, kind="object", object="a.wav", etag="e")
    items = (song, *text_items("s", 1, "After the song.", item_end=True, last=True))
    system = await paced(*items)
    await handed(system, *items)
    assert [chunk.kind for chunk in await system.records(Chunk, "s/0")] == ["object"]
    pcm = bytes(2 * 24_000)
    for second in range(2):
        await system.append(
            [
                AudioFrame(
                    session="s",
                    first_sample=24_000 * second,
                    samples=24_000,
                    pcm=pcm,
                    index=1,
                )
            ]
        )
    await system.append([go_on(0, 12.0)])
    await handed(system, go_on(0, 12.0))
    kinds = [chunk.kind for chunk in await system.records(Chunk, "s/0")]
    assert kinds[:2] == ["object", "text"]


async def test_what_is_mastered_is_measured_and_only_the_rest_estimated() -> None:
    items = text_items("s", 0, TEXT, item_end=True, last=True)
    system = await paced(*items)
    await handed(system, *items)
    chunks = await system.records(Chunk, "s/0")
    frame = AudioFrame(
        session="s", first_sample=0, samples=4_800, pcm=bytes(9_600), index=len(chunks)
    )
    await system.append([frame])
    journal = system.journal
    description = await journal.describe("s")
    runway = await Runway.of(
        description, journal.of(Chunk), journal.of(AudioFrame), journal.of(Control)
    )
    assert runway.cut_s == pytest.approx(0.1)
    assert runway.granted_s == AHEAD_S


async def test_what_was_granted_last_is_found_behind_many_reports() -> None:
    system = await paced()
    control = system.journal.of(Control)
    description = await system.journal.describe("s")
    await system.append([go_on(0, 33.0)])
    for seq in range(1, 150):
        await system.append([Control(session="s", seq=seq, verb="listening", position_s=seq)])
    assert await granted_s(control, description) == 33.0


# -- who lets it go on


async def pacer_of(samples: int) -> tuple[System, Pacer]:
    """Return a session whose sound began long ago, and who lets it go on."""
    system = System(log=Clocked())
    await system.describe("s", pace=PACED)
    await system.append(
        [AudioFrame(session="s", first_sample=0, samples=100, pcm=bytes(200), index=1)]
    )
    journal = system.journal
    description = await journal.describe("s")
    return system, Pacer(description, journal.of(Control), journal.of(AudioFrame))


async def granted(system: System) -> list[float]:
    return [
        record.until_s for record in await system.records(Control, "s") if record.verb == "produce"
    ]


async def test_who_ran_dry_gets_what_it_is_to_be_ahead_from_where_it_is() -> None:
    system, pacer = await pacer_of(48_000)
    await pacer.look(48_000 * 5)
    assert await granted(system) == [5 + AHEAD_S + 2.5]
    await pacer.look(48_000 * 5)  # nothing has changed
    assert len(await granted(system)) == 1
    await pacer.look(48_000 * 8)
    assert await granted(system) == [17.5, 20.5]


async def test_before_the_first_sound_nothing_is_written() -> None:
    system, pacer = await pacer_of(0)
    await pacer.look(0)
    assert await granted(system) == []


async def test_who_is_furthest_along_counts_and_nobody_is_beyond_what_there_is() -> None:
    system = System()  # its sound begins now
    await system.describe("s", pace=PACED)
    await system.append(
        [AudioFrame(session="s", first_sample=0, samples=100, pcm=bytes(200), index=1)]
    )
    journal = system.journal
    control, frames = journal.of(Control), journal.of(AudioFrame)
    pacer = Pacer(await journal.describe("s"), control, frames)
    for seq, position_s in enumerate((90.0, 30.0, 1e9)):
        at = seq + len(await granted(system))
        await control.append(Control(session="s", seq=at, verb="listening", position_s=position_s))
        await pacer.look(48_000 * 100)
    assert await granted(system) == [90 + AHEAD_S + 2.5, 100 + AHEAD_S + 2.5]
    other = Pacer(await journal.describe("s"), control, frames)  # who leads next
    await other.look(48_000 * 100)
    assert len(await granted(system)) == 2


async def test_a_cancelled_session_is_let_be() -> None:
    system, pacer = await pacer_of(100)
    await system.append([Control(session="s", seq=0, verb="cancel", last=True)])
    await pacer.look(48_000)
    assert await granted(system) == []


async def test_a_session_with_a_pace_is_heard_whole_and_as_one_without() -> None:
    text, free = TEXT[:700], System()
    await free.narrated(text)
    system = System()
    async with system.running():
        await system.narrate(text, pace=Pace(ahead_s=5.0))
        control = system.journal.of(Control)
        while not (await system.journal.of(AudioFrame).state("s")).closed:
            before = (await system.journal.of(AudioFrame).state("s")).next
            # whoever is at the end of what there is lets it go on
            seq = (await control.state("s")).next
            report = Control(session="s", seq=seq, verb="listening", position_s=1e6)
            await control.append(report)

            async def further(position: int = before) -> bool:
                state = await system.journal.of(AudioFrame).state("s")
                return state.next > position or state.closed

            await until(further, 30)
        await system.finished("s")
    await system.check("s")
    _, paced_sound = await system.whole("s")
    _, sound = await free.whole("s")
    assert paced_sound.tolist() == sound.tolist()
    assert len(await granted(system)) > 1


async def test_who_leads_next_lets_those_go_on_whose_admission_the_log_has_let_go_of() -> None:
    system = System(log=Clocked())
    await system.declare()
    await system.describe("s", pace=PACED)
    await system.gate.enter(await system.journal.describe("s"))
    admission = (await system.gate.enter(await system.journal.describe("s"))) or ()
    await system.append(admission)
    await system.session_index.add("s")
    number = system.journal.of(AudioFrame).partition("s")
    span = await system.log.span("admission", number)
    await system.log.trim("admission", number, span.next)
    admitter = Admitter(system.journal, system.admissions, 8, system.session_index)
    assert await system.admissions.lead(admitter.member, 60.0)
    await admitter._begin()
    assert "s" in admitter._admitted


@pytest.mark.parametrize("ahead_s", [-1.0, 4.9, 3_601.0, math.inf, math.nan])
def test_a_pace_out_of_bounds_is_refused(ahead_s: float) -> None:
    with pytest.raises(ValueError, match="choose 5 to 3600"):
        Session(session="s", last=True, pace=Pace(ahead_s=ahead_s))
