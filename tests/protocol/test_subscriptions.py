"""Which answer belongs to which request."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.talking import BOOKS, BOOKS5, T0, TICK_BY_TICK, TICKERS, TRADES, at

from okex_ws.protocol.subscriptions import AckVerdict, Subscriptions, SubscriptionState
from okex_ws.wire.channels import Subscription, subscription
from okex_ws.wire.frames import AckFrame, ErrorFrame

SWAP = subscription("books", "BTC-USDT-SWAP")


def ack(item: Subscription, request_id: str = "", verb: str = "subscribe") -> AckFrame:
    return AckFrame(verb, item, request_id, "a4d3ae55")


def error(code: str, request_id: str = "", message: str = "") -> ErrorFrame:
    return ErrorFrame(request_id, code, message, "a4d3ae55")


def requested(*requests: tuple[str, str, list[Subscription]]) -> Subscriptions:
    registry = Subscriptions()
    for request_id, verb, items in requests:
        registry.requested(request_id, verb, items, T0)
    return registry


def refused(verdict: AckVerdict) -> dict[Subscription, str]:
    return {item: frame.code for item, frame in verdict.refused}


def test_each_arg_is_acknowledged_by_itself() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
    assert registry.ack(ack(TRADES, "r1")).acknowledged == [TRADES]
    assert not registry.are_settled
    assert registry.is_waiting
    assert registry.ack(ack(BOOKS, "r1")).acknowledged == [BOOKS]
    assert registry.are_settled
    assert not registry.is_waiting
    assert registry.deadline is None


def test_an_error_that_names_nothing_waits_for_the_acks_and_is_about_the_one_left() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
    assert registry.error(error("60018", "r1")) == AckVerdict()
    assert refused(registry.ack(ack(TRADES, "r1"))) == {BOOKS: "60018"}
    assert registry.states == {TRADES: SubscriptionState.CONFIRMED, BOOKS: SubscriptionState.REFUSED}


def test_an_error_that_names_its_arg_is_attributed_at_once() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS, TICKERS]))
    message = "Wrong URL or channel:books,instId:BTC-USDT doesn't exist."
    assert refused(registry.error(error("60018", "r1", message))) == {BOOKS: "60018"}


def test_names_are_whole_words() -> None:
    """`books` is part of `books5`, `BTC-USDT` of `BTC-USDT-SWAP`: neither is named by the longer one."""
    registry = requested(("r1", "subscribe", [BOOKS, BOOKS5, SWAP]))
    assert refused(registry.error(error("64007", "r1", "channel:books5,instId:BTC-USDT failed"))) == {BOOKS5: "64007"}
    assert refused(registry.error(error("60018", "r1", "channel:books,instId:BTC-USDT-SWAP doesn't exist"))) == {SWAP: "60018"}
    assert registry.states[BOOKS] is SubscriptionState.REQUESTED


def test_named_errors_go_first_however_they_arrive() -> None:
    errors = (error("64007", "r1"), error("60018", "r1", "channel:trades,instId:BTC-USDT doesn't exist"))
    for order in itertools.permutations(errors):
        registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
        verdicts = [refused(registry.error(frame)) for frame in order]
        assert verdicts[0] | verdicts[1] == {TRADES: "60018", BOOKS: "64007"}


def test_an_error_that_names_a_channel_alone_prefers_that_channel() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
    registry.error(error("60008", "r1", "does not support subscribing to books channels"))
    assert refused(registry.error(error("64007", "r1"))) == {BOOKS: "60008", TRADES: "64007"}


def test_an_error_that_names_two_open_args_waits_for_the_acks() -> None:
    registry = requested(("r1", "subscribe", [BOOKS, TICK_BY_TICK]))
    message = "Subscribe to both books and books-l2-tbt for BTC-USDT is not allowed. Unsubscribe books-l2-tbt first."
    assert registry.error(error("64004", "r1", message)) == AckVerdict()
    assert refused(registry.ack(ack(BOOKS, "r1"))) == {TICK_BY_TICK: "64004"}


def test_without_ids_an_error_is_about_the_only_request_or_the_one_with_the_arg_it_names() -> None:
    registry = requested(("r1", "subscribe", [TRADES]))
    assert refused(registry.error(error("60018"))) == {TRADES: "60018"}
    registry = requested(("r1", "subscribe", [TRADES]), ("r2", "subscribe", [BOOKS]))
    assert refused(registry.error(error("60018", "", "channel:books,instId:BTC-USDT"))) == {BOOKS: "60018"}


def test_without_ids_and_with_several_requests_it_is_found_out_by_asking_one_by_one() -> None:
    registry = requested(("r1", "subscribe", [TRADES]), ("r2", "subscribe", [BOOKS, TICKERS]))
    assert registry.error(error("60018")).is_stray
    registry.ack(ack(TICKERS))
    verdict = registry.expire(at(10))
    assert verdict.unclear == [TRADES, BOOKS]
    assert verdict.lost == []
    registry.requested("r3", "subscribe", [TRADES], at(10))
    assert registry.expire(at(20)).lost == [TRADES], "that error is history"


def test_an_error_with_an_unknown_id_is_nobodys() -> None:
    registry = requested(("r1", "subscribe", [TRADES]))
    assert registry.error(error("60018", "r9")) == AckVerdict(is_stray=True)
    assert registry.states[TRADES] is SubscriptionState.REQUESTED
    assert registry.expire(at(10)).lost == [TRADES]


def test_an_unreadable_request_is_asked_again_one_by_one_unless_it_was_for_one() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
    echo = 'Illegal request: {"id":"r1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}'
    verdict = registry.error(error("60012", "r1", echo))
    assert (verdict.unclear, verdict.refused) == ([TRADES, BOOKS], [])
    assert not registry.is_waiting
    registry.requested("r2", "subscribe", [TRADES], T0)
    assert refused(registry.error(error("60012", "r2", echo))) == {TRADES: "60012"}


def test_too_frequent_is_about_the_whole_request() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]))
    assert refused(registry.error(error("60014", "r1"))) == {TRADES: "60014", BOOKS: "60014"}
    assert not registry.is_waiting


def test_a_goodbye_that_was_too_frequent_has_to_be_said_again_and_refuses_nothing() -> None:
    registry = requested(("r1", "subscribe", [TRADES]))
    registry.ack(ack(TRADES, "r1"))
    registry.requested("r2", "unsubscribe", [TRADES], T0)
    verdict = registry.error(error("60014", "r2"))
    assert (verdict.unanswered, verdict.refused) == ([TRADES], [])
    assert registry.states[TRADES] is SubscriptionState.CONFIRMED


def test_no_error_of_an_unsubscribe_ends_the_subscription_that_follows_it() -> None:
    registry = requested(("r1", "unsubscribe", [BOOKS]), ("r2", "subscribe", [BOOKS]))
    assert registry.error(error("60018", "r1")).refused == []
    assert registry.ack(ack(BOOKS, "r2")).acknowledged == [BOOKS]
    assert registry.states[BOOKS] is SubscriptionState.CONFIRMED


def test_a_late_ack_of_the_unsubscribe_does_not_touch_the_new_subscription() -> None:
    registry = requested(("r1", "unsubscribe", [BOOKS]), ("r2", "subscribe", [BOOKS]))
    registry.ack(ack(BOOKS, "r2"))
    registry.ack(ack(BOOKS, "r1", "unsubscribe"))
    assert registry.states[BOOKS] is SubscriptionState.CONFIRMED


def test_only_the_newest_request_for_a_subscription_counts() -> None:
    registry = requested(("r1", "subscribe", [BOOKS]))
    registry.drop(BOOKS)
    registry.requested("r2", "unsubscribe", [BOOKS], T0)
    registry.states[BOOKS] = SubscriptionState.WANTED
    assert registry.ack(ack(BOOKS, "r1")).acknowledged == [], "an ack of the life before"
    registry.requested("r3", "subscribe", [BOOKS], T0)
    assert registry.ack(ack(BOOKS, "r3")).acknowledged == [BOOKS]


def test_an_error_of_the_life_before_refuses_nothing() -> None:
    registry = requested(("r1", "subscribe", [BOOKS]))
    registry.drop(BOOKS)
    registry.requested("r2", "unsubscribe", [BOOKS], T0)
    registry.requested("r3", "subscribe", [BOOKS], T0)
    assert registry.error(error("60018", "r1", "channel:books,instId:BTC-USDT")).refused == []
    assert registry.states[BOOKS] is SubscriptionState.REQUESTED


def test_what_was_let_go_does_not_come_back_by_a_late_answer_or_none() -> None:
    for answer in (error("60012", "r1"), error("64007", "r1"), None):
        registry = requested(("r1", "subscribe", [BOOKS, TRADES]))
        registry.drop(BOOKS)
        registry.drop(TRADES)
        verdicts = [registry.error(answer)] if answer else []
        verdicts.append(registry.expire(at(10)))
        assert all(v.refused == v.unclear == v.lost == [] for v in verdicts)
        assert registry.states == {}


def test_answers_are_overdue_after_ten_seconds() -> None:
    registry = requested(("r1", "subscribe", [TRADES, BOOKS]), ("r2", "unsubscribe", [TICKERS]))
    registry.ack(ack(TRADES, "r1"))
    assert registry.deadline == at(10)
    assert registry.expire(at(9.9)) == AckVerdict()
    verdict = registry.expire(at(10))
    assert (verdict.lost, verdict.unanswered, verdict.unclear) == ([BOOKS], [TICKERS], [])


def test_the_life_before_expires_without_a_word() -> None:
    registry = requested(("r1", "subscribe", [BOOKS]))
    registry.drop(BOOKS)
    registry.requested("r3", "subscribe", [BOOKS], at(5))
    assert registry.expire(at(10)) == AckVerdict()
    assert registry.expire(at(15)).lost == [BOOKS]


def test_an_ack_that_comes_after_all_is_believed() -> None:
    registry = requested(("r1", "subscribe", [TRADES]))
    registry.expire(at(10))
    assert registry.ack(ack(TRADES, "r1")).acknowledged == [TRADES]
    assert registry.states[TRADES] is SubscriptionState.CONFIRMED


def test_time_in_which_nothing_was_read_does_not_count() -> None:
    registry = requested(("r1", "subscribe", [TRADES]))
    registry.reset_timeouts(at(60))
    assert registry.expire(at(69)) == AckVerdict()
    assert registry.expire(at(70)).lost == [TRADES]


KEYS = ("BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT")
ITEMS = [subscription(channel, key) for channel in ("books", "books5", "trades", "tickers") for key in KEYS]


@st.composite
def conversations(draw: Any) -> tuple[list[list[Subscription]], dict[Subscription, str], list[AckFrame | ErrorFrame]]:
    """Requests of several args, which args are refused with what, and the answers in any order OKX could send them."""
    items = draw(st.permutations(ITEMS))[: draw(st.integers(2, 10))]
    cuts = sorted(draw(st.sets(st.integers(1, len(items) - 1), max_size=2)))
    groups = [items[a:b] for a, b in itertools.pairwise([0, *cuts, len(items)])]
    fates: dict[Subscription, str] = {}
    answers: list[AckFrame | ErrorFrame] = []
    for number, group in enumerate(groups):
        bad = draw(st.sets(st.sampled_from(group)))
        # OKX's text names the arg; at most one code a request where it does not, else no client could tell
        names = draw(st.booleans())
        codes = draw(st.lists(st.sampled_from(["60018", "64003", "60011", "64007"]), min_size=len(bad), max_size=len(bad)))
        for item, code in zip(sorted(bad), codes if names else codes[:1] * len(bad), strict=True):
            fates[item] = code
            text = f"channel:{item.channel},instId:{item.key} doesn't exist" if names else "no"
            answers.append(error(code, f"r{number}", text))
        answers += [ack(item, f"r{number}") for item in group if item not in bad]
    return groups, fates, draw(st.permutations(answers))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(conversations())
def test_B3_any_order_of_acks_and_errors_refuses_the_right_args(
    conversation: tuple[list[list[Subscription]], dict[Subscription, str], list[AckFrame | ErrorFrame]],
) -> None:
    groups, fates, answers = conversation
    registry = requested(*((f"r{number}", "subscribe", group) for number, group in enumerate(groups)))
    found: dict[Subscription, str] = {}
    acknowledged: list[Subscription] = []
    for answer in answers:
        verdict = registry.ack(answer) if isinstance(answer, AckFrame) else registry.error(answer)
        for item, code in refused(verdict).items():
            assert item not in found
            found[item] = code
        acknowledged += verdict.acknowledged
    assert found == fates
    assert sorted(acknowledged) == sorted(item for group in groups for item in group if item not in fates)
    assert not registry.is_waiting
    assert registry.are_settled
