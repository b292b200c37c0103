"""Continuity without ids: repetitions of two connections are known by their content."""

from __future__ import annotations

from tests.support.chains import T

from okex_ws.events import Ticker
from okex_ws.protocol.chains.registry import Chains
from okex_ws.wire.channels import subscription


def test_what_has_no_ids_is_told_apart_by_its_content_while_two_speak() -> None:
    chain = Chains("public/0").of(subscription("tickers", "A-B"))
    one, two, three = (Ticker(instrument="A-B", ts_ms=n, last=float(n)) for n in (1, 2, 3))
    assert chain.feed([one], 0, T) == [one]
    chain.start_handover(1)
    assert chain.feed([one], 1, T + 1) == []
    assert chain.feed([two], 1, T + 1) == [two]
    assert chain.feed([two, three], 0, T + 2) == [three]
    chain.finish_handover(1, T + 3)
    assert chain.feed([three], 1, T + 3) == [three], "alone again, it repeats what it likes"
    assert chain.duplicates == 2
