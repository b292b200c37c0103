"""The bounded hand-off to one consumer: three policies, one reader, nothing lost without a word."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okex_ws import BookSnapshot, BookUpdate, Candle, Gap, Ticker, Trade
from okex_ws.client.stream import Policy, Stream
from okex_ws.events import Dropped, Event


def trade(number: int) -> Trade:
    return Trade(ts_ms=number, instrument="BTC-USDT", trade_id=number, price=1.0, size=1.0, side="buy", ts_recv=number)


def ticker(number: int, instrument: str = "BTC-USDT") -> Ticker:
    return Ticker(ts_ms=number, instrument=instrument, last=float(number), ts_recv=number)


def candle(opened: int, number: int) -> Candle:
    return Candle(channel="candle1m", instrument="BTC-USDT", open_ms=opened, open=1, high=1, low=1, close=number, ts_recv=number)


def book(channel: str, number: int) -> BookSnapshot:
    return BookSnapshot(ts_ms=number, channel=channel, instrument="BTC-USDT", raw_bids=[], raw_asks=[], ts_recv=number)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(), 120)

    asyncio.run(main())


def read(stream: Stream[Event]) -> list[Event]:
    """Everything held, by reading until it is closed."""
    stream.close()

    async def main() -> list[Event]:
        return [event async for event in stream]

    return asyncio.run(main())


def numbers(events: list[Event]) -> list[object]:
    return [event.count if isinstance(event, Dropped) else event.ts_recv for event in events]


# -- WAIT ------------------------------------------------------------------------------------------


def test_wait_loses_nothing_and_says_when_it_is_full() -> None:
    stream = Stream(size=3)
    for number in range(1, 6):
        stream.put([trade(number)])
        assert stream.is_full == (number >= 3)
    assert numbers(read(stream)) == [1, 2, 3, 4, 5]
    assert stream.dropped == 0


def test_room_is_told_at_half_and_not_at_every_event() -> None:
    rooms: list[int] = []

    async def main() -> None:
        stream = Stream(size=10, on_room=lambda: rooms.append(len(stream)))
        stream.put(trade(n) for n in range(14))
        for _ in range(14):
            await anext(stream)

    run(main)
    assert rooms == [5]


def test_the_smallest_stream_has_room_when_it_is_empty() -> None:
    rooms: list[int] = []

    async def main() -> None:
        stream = Stream(size=1, on_room=lambda: rooms.append(len(stream)))
        stream.put([trade(1)])
        assert stream.is_full
        await anext(stream)

    run(main)
    assert rooms == [0]
    with pytest.raises(ValueError, match="at least one"):
        Stream(size=0)


def test_a_full_stream_that_is_closed_holds_nobody_up() -> None:
    rooms: list[bool] = []
    stream = Stream(size=1, on_room=lambda: rooms.append(stream.is_full))
    stream.put([trade(1)])
    stream.close()
    assert rooms == [False]
    stream.put([trade(2)])
    assert numbers(read(stream)) == [1], "what was held can still be read, and nothing comes after the end"


# -- DROP_OLDEST -----------------------------------------------------------------------------------


def test_C13_drop_oldest_counts_every_loss_and_says_it_where_the_hole_is() -> None:
    async def main() -> None:
        stream = Stream(policy=Policy.DROP_OLDEST, size=3, name="slow")
        stream.put(trade(n) for n in (1, 2, 3))
        assert (await anext(stream)).ts_recv == 1
        stream.put(trade(n) for n in (4, 5, 6, 7))
        hole = await anext(stream)
        assert hole == Dropped(ts_recv=5, consumer="slow", count=3, total=3)
        assert [(await anext(stream)).ts_recv for _ in range(2)] == [5, 6]
        stream.put(trade(n) for n in (8, 9, 10))
        stream.put([trade(11)])
        assert await anext(stream) == Dropped(ts_recv=9, consumer="slow", count=2, total=5)
        assert not stream.is_full
        assert len(stream) == 3

    run(main)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.integers(-5, 8), max_size=40), st.integers(1, 5), st.sampled_from([Policy.DROP_OLDEST, Policy.CONFLATE]))
def test_C13_read_plus_dropped_is_what_was_put(steps: list[int], size: int, policy: Policy) -> None:
    """Whatever the rhythm of putting and reading: what is missing between two events is the count that stands between them."""

    async def main() -> list[Event]:
        stream, put, out = Stream(policy=policy, size=size), itertools.count(), []
        for step in steps:
            if step > 0:
                stream.put([trade(next(put)) for _ in range(step)])
            out += [await anext(stream) for _ in range(min(-step, len(stream)))]
            assert len(stream) <= size
        stream.close()
        return out + [event async for event in stream]

    expected = 0
    for event in asyncio.run(main()):
        if isinstance(event, Dropped):
            expected += event.count
            assert event.ts_recv == expected, "right before the event that comes after the hole"
        else:
            assert event.ts_recv == expected
            expected += 1
    assert expected == sum(step for step in steps if step > 0)


# -- CONFLATE --------------------------------------------------------------------------------------


def test_conflate_keeps_the_newest_of_what_replaces_each_other_and_never_reorders() -> None:
    stream = Stream(policy=Policy.CONFLATE, size=100)
    stream.put([ticker(1), trade(2), ticker(3, "ETH-USDT"), candle(60, 4), book("books5", 5), ticker(6), candle(60, 7)])
    stream.put([candle(120, 8), book("books5", 9), book("bbo-tbt", 10), trade(11), ticker(12)])
    assert numbers(read(stream)) == [2, 3, 7, 8, 9, 10, 11, 12]
    assert (stream.conflated, stream.dropped) == (4, 0)


def test_conflate_never_merges_what_counts_each() -> None:
    stream = Stream(policy=Policy.CONFLATE, size=100)
    change = BookUpdate(ts_ms=0, channel="books", instrument="BTC-USDT", raw_bids=[], raw_asks=[], ts_recv=3)
    stream.put([book("books", 1), book("books", 2), change, trade(4), Gap(ts_recv=5), Gap(ts_recv=6), trade(7), trade(8)])
    assert numbers(read(stream)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_conflate_drops_oldest_first_when_even_so_it_is_full() -> None:
    stream = Stream(policy=Policy.CONFLATE, size=3, name="slow")
    stream.put([ticker(1), trade(2), trade(3), trade(4), ticker(5), trade(6)])
    events = read(stream)
    assert events[0] == Dropped(ts_recv=4, consumer="slow", count=2, total=2)
    assert stream.conflated == 1
    assert numbers(events[1:]) == [4, 5, 6]


def test_what_was_read_is_not_conflated_with_what_comes_later() -> None:
    async def main() -> None:
        stream = Stream(policy=Policy.CONFLATE, size=3)
        for number in range(1, 4):
            stream.put([ticker(number)])
            assert (await anext(stream)).ts_recv == number
        assert stream.conflated == 0

    run(main)


# -- kinds, readers, cancellation ------------------------------------------------------------------


def test_only_the_kinds_wanted_and_the_losses_among_them() -> None:
    stream = Stream((Trade, Gap), policy=Policy.DROP_OLDEST, size=2)
    stream.put([ticker(1), trade(2), Gap(ts_recv=3), ticker(4), trade(5)])
    assert [type(event) for event in read(stream)] == [Dropped, Gap, Trade]
    assert stream.dropped == 1


def test_two_readers_at_once_are_refused_and_the_first_goes_on() -> None:
    async def main() -> None:
        stream = Stream(name="shared")
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two readers on shared"):
            await anext(stream)
        stream.put([trade(1)])
        # Woken, but not yet running: its event is its own.
        with pytest.raises(RuntimeError, match="two readers on shared"):
            await anext(stream)
        assert (await first).ts_recv == 1
        stream.put([trade(2)])
        assert (await anext(stream)).ts_recv == 2, "one after the other is fine"

    run(main)


def test_a_cancelled_reader_takes_nothing_with_it() -> None:
    async def main() -> None:
        stream = Stream()
        for put_first in (False, True):
            reader = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            if put_first:
                stream.put([trade(1)])
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        stream.put([trade(2)])
        assert [(await anext(stream)).ts_recv for _ in range(2)] == [1, 2]

    run(main)


def test_a_waiting_reader_is_woken_by_the_end() -> None:
    async def main() -> None:
        stream = Stream()
        reader = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
        stream.close()
        assert await reader is None
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(main)
