"""Every order in which OKX's messages about one order can come ends the same: right verdicts, the order's true final state."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from tests.support.ordering import Desk, amend, cancel, limit, push, row

from okex_ws.events import OrderUpdate
from okex_ws.market.account import Account

Said = OrderUpdate | tuple[str, int, dict[str, str]]
"""A push, or a reply: code, which request, what it says of the order."""


def messages(ours: str, amendment: str, final: str) -> dict[str, Said]:
    """All OKX says about one eventful order: three answers, and a push for each thing that happens to it."""
    end: dict[str, Any] = {"cancelSource": "1"} if final == "canceled" else {"tradeId": "12", "fillSz": "2", "fillPx": "100"}
    part = {"tradeId": "11", "fillSz": "1", "fillPx": "100"}
    refused = {"clOrdId": ours, "sCode": "51400", "sMsg": "Order was filled"}
    done = {"clOrdId": ours, "sCode": "0", "ordId": push(ours).order_id}
    return {
        "placed": ("0", 0, done),
        "live": push(ours, sz="2", uTime="1790000000501"),
        "part": push(ours, "partially_filled", "1", sz="2", uTime="1790000000502", **part),
        "amend taken": ("0", 1, done),
        "amended": push(ours, "partially_filled", "1", sz="3", reqId=amendment, amendResult="0", uTime="1790000000503"),
        "cancel answered": ("0", 2, done) if final == "canceled" else ("1", 2, refused),
        "end": push(ours, final, "1" if final == "canceled" else "3", sz="3", uTime="1790000000504", **end),
    }


def play(order: tuple[str, ...], final: str) -> tuple[Desk, list[OrderUpdate]]:
    """One order's life, told in this order."""
    desk = Desk()
    (ticket,) = desk.place(limit("2"))
    (amending,) = desk.place(amend(ticket.order.client_order_id, "3"))
    desk.place(cancel(ticket.order.client_order_id))
    said = messages(ticket.order.client_order_id, amending.order.request_id, final)  # type: ignore[union-attr]
    pushes: list[OrderUpdate] = []
    for name in order:
        message = said[name]
        if isinstance(message, OrderUpdate):
            pushes.append(message)
            desk.feed(message)
        else:
            code, request, result = message
            desk.reply(code, result, request=request)
    if desk.reads:  # a cancel that was refused: its order is read
        desk.found(row(ticket.order.client_order_id, final, "3", sz="3"))
    return desk, pushes


@pytest.mark.parametrize("final", ["canceled", "filled"])
def test_every_permutation_ends_with_the_same_right_verdicts_and_state(final: str) -> None:
    right = {"place": "confirmed", "amend": "confirmed", "cancel": "confirmed" if final == "canceled" else "rejected"}
    end = (final, Decimal(1 if final == "canceled" else 3), Decimal(3))
    wrong = []
    for order in itertools.permutations(messages("c1", "r1", final)):
        desk, pushes = play(order, final)
        account = Account()
        highest = Decimal(0)
        for update in pushes:
            account.apply(update)
            known = account.orders.get(update.order_id)
            assert known is not None
            filled = known.filled_size or Decimal(0)
            if filled < highest:
                wrong.append((order, "what was filled became less"))
            highest = filled
        known = account.orders.get(pushes[0].order_id)
        state = (known.state, known.filled_size, known.size) if known is not None else None
        if dict(desk.verdicts) != right or len(desk.verdicts) > 3 or len(desk.sent) != 3 or state != end:
            wrong.append((order, desk.verdicts, state))
    assert wrong == []
