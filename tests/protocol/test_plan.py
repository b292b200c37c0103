"""Which subscription goes over which connection."""

from __future__ import annotations

import pytest

from okex_ws.protocol.plan import DEEP, MOST_BOOKS, MOST_SUBSCRIPTIONS, Plan, plan
from okex_ws.wire import requests
from okex_ws.wire.channels import Subscription, SubscriptionError, subscription


def instruments(channel: str, count: int, first: int = 0) -> list[Subscription]:
    return [subscription(channel, f"C{n:04}-USDT") for n in range(first, first + count)]


def test_endpoints_are_kept_apart_and_named() -> None:
    made = Plan()
    wanted = (("trades", "BTC-USDT"), ("candle1m", "BTC-USDT"), ("account", None))
    assert [made.place(subscription(*words)).name for words in wanted] == ["public/0", "business/0", "private/0"]


def test_fewer_than_30_depth_channels_a_connection_and_no_more_than_100_in_all() -> None:
    made = plan([*instruments("books", 100), *instruments("trades", 400), *instruments("books-rpi", 10)])
    for shard in made.shards:
        assert sum(item.channel in DEEP for item in shard.subscriptions) == shard.books <= MOST_BOOKS == 29
        assert len(shard.subscriptions) <= MOST_SUBSCRIPTIONS == 100
    assert len(made.shards) == 6, "no connection more than it takes"
    assert [shard.index for shard in made.shards] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("books", "books-l2-tbt"),
        ("books-l2-tbt", "books"),
        ("books50-l2-tbt", "books-l2-tbt"),
        ("books-l2-tbt", "books50-l2-tbt"),
    ],
)
def test_books_that_exclude_each_other_are_on_different_connections(first: str, second: str) -> None:
    made = Plan()
    one, two = (made.place(subscription(name, "BTC-USDT")) for name in (first, second))
    assert one is not two
    assert made.place(subscription(second, "ETH-USDT")) is one, "of another instrument they go together"


def test_books_that_get_along_share_a_connection() -> None:
    made = plan([subscription(name, "BTC-USDT") for name in ("books", "books5", "bbo-tbt", "books50-l2-tbt")])
    assert len(made.shards) == 1


def test_a_subscription_stays_where_it_is_and_freed_room_is_used_again() -> None:
    made = plan(instruments("books", 60))
    first, item = made.shards[0], instruments("books", 1)[0]
    assert made.place(item) is first
    assert sum(len(shard.subscriptions) for shard in made.shards) == 60
    assert made.remove(item) is first
    assert made.remove(item) is None
    assert made.place(instruments("books", 1, 900)[0]) is first


def test_a_closed_shard_takes_nothing_new() -> None:
    made = plan(instruments("trades", 2))
    made.shards[0].is_closed = True
    assert made.place(instruments("trades", 1, 50)[0]) is made.shards[1]


def test_frames_say_what_it_takes_to_start() -> None:
    made = plan(instruments("trades", 100))
    assert made.shards[0].frames == len(list(requests.batches(instruments("trades", 100)))) == 2


def test_what_does_not_exist_has_no_place() -> None:
    with pytest.raises(SubscriptionError):
        Plan().place(Subscription("trade", (("instId", "BTC-USDT"),)))
