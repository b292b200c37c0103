"""Client order ids: unique within a run, among runs, among processes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okex_ws.protocol.orders.order_ids import PREFIX_BITS, PREFIX_LENGTH, OrderIds, base36


@given(st.integers(min_value=0, max_value=10**12))
def test_the_count_can_be_read_back_so_no_two_counts_give_one_id(number: int) -> None:
    assert int(base36(number), 36) == number


@given(st.integers(min_value=0, max_value=(1 << PREFIX_BITS) - 1))
def test_so_can_the_random_bits_and_every_prefix_is_equally_long(bits: int) -> None:
    prefix = OrderIds(bits).prefix
    assert int(prefix[1:], 36) == bits
    assert len(prefix) == PREFIX_LENGTH


def test_ids_are_what_okx_takes_up_to_the_ten_millionth_and_far_beyond() -> None:
    ids = OrderIds((1 << PREFIX_BITS) - 1)
    for made in (0, 10**7 - 1, 10**15):
        ids.made = made
        assert re.fullmatch(r"[A-Za-z0-9]{1,32}", ids.next())


def test_two_processes_share_none() -> None:
    code = (
        "import secrets; from okex_ws.protocol.orders.order_ids import *; ids = OrderIds(secrets.randbits(PREFIX_BITS));"
        "print('\\n'.join(ids.next() for _ in range(20000)))"
    )
    made = [set(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()) for _ in range(2)]
    assert [len(ids) for ids in made] == [20_000, 20_000]
    assert not made[0] & made[1]


def test_a_prefix_takes_all_its_bits() -> None:
    with pytest.raises(ValueError, match="80 random bits"):
        OrderIds(1 << 80)
