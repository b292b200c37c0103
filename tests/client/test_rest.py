"""Rest: signed requests against a small server that checks every signature independently."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from okex_ws.client.rest import Rest, RestError
from okex_ws.client.sites import Site
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.sign import Credentials

KEY = Credentials("canary-key", "canary-secret", "canary-passphrase")
NOW = 1_790_000_000_000_000_000


class KeyedServer:
    """HTTP/1.1 on this machine: checks key, time and signature of what is not public, then answers from `answers`."""

    def __init__(self, *, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, Callable[[str], tuple[int, Any]]] = {}
        self.raw: bytes | None = None
        self.port = 0

    async def __aenter__(self) -> KeyedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def rest(self, **options: Any) -> Rest:
        return Rest(Site.local(1, rest_port=self.port), credentials=KEY, now=lambda: NOW, **options)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((method, target, headers, body))
        out = self.raw
        if out is None:
            status, answer = self._answer(method, target, headers, body)
            text = json.dumps(answer).encode()
            out = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(text), text)
        writer.write(out)
        await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        server_ms = NOW // 10**6 + self.ahead_ms
        if target == "/api/v5/public/time":
            return 200, {"code": "0", "msg": "", "data": [{"ts": str(server_ms)}]}
        if not target.startswith("/api/v5/public/"):
            stamp = headers["ok-access-timestamp"]
            assert len(stamp) == len("2026-11-22T10:00:00.000Z")
            if abs(datetime.fromisoformat(stamp).timestamp() * 1000 - server_ms) > 30_000:
                return 401, {"code": "50102", "msg": "Timestamp request expired", "data": []}
            text = stamp + method + target + body.decode()
            sign = base64.b64encode(hmac.new(b"canary-secret", text.encode(), hashlib.sha256).digest()).decode()
            if (headers["ok-access-sign"], headers["ok-access-key"], headers["ok-access-passphrase"]) != (
                sign,
                "canary-key",
                "canary-passphrase",
            ):
                return 401, {"code": "50113", "msg": "Invalid Sign", "data": []}
        path = target.partition("?")[0].removeprefix("/api/v5/")
        return self.answers.get(path, lambda _: (200, {"code": "0", "msg": "", "data": []}))(target)


def answer(*rows: Any, code: str = "0", status: int = 200, message: str = "") -> Callable[[str], tuple[int, Any]]:
    return lambda _: (status, {"code": code, "msg": message, "data": list(rows)})


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_reads_and_writes_are_signed_exactly_as_sent() -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["trade/order"] = answer({"ordId": "1", "sCode": "0"})
            assert await rest.get("account/balance", ccy="BTC,USDT") == []
            assert await rest.get("trade/orders-pending", instId="ÄÖ &/%+=", limit=100, after=None) == []
            done = await rest.post("trade/order", {"instId": "BTC-USDT", "sz": "0.01"}, expires_ms=1234)
            assert (done.code, done.rows) == ("0", [{"ordId": "1", "sCode": "0"}])
            _, target, headers, body = server.requests[-1]
            assert (target, json.loads(body)) == ("/api/v5/trade/order", {"instId": "BTC-USDT", "sz": "0.01"})
            assert headers["content-type"] == "application/json"
            assert headers["exptime"] == "1234"
            assert "x-simulated-trading" not in headers

    run(go())


def test_demo_has_its_header_and_public_reads_send_no_key() -> None:
    async def go() -> None:
        async with KeyedServer() as server:
            place = Site.local(1, rest_port=server.port)
            demo = type(place)(place.name, place.websocket, place.rest, demo=True)
            async with Rest(demo, credentials=KEY, now=lambda: NOW) as rest:
                await rest.get("account/balance")
                await rest.get("public/instruments", instType="SPOT")
            (_, _, private, _), (_, _, public, _) = server.requests
            assert private["x-simulated-trading"] == public["x-simulated-trading"] == "1"
            assert "ok-access-key" in private
            assert [name for name in public if name.startswith("ok-")] == []

    run(go())
    assert "x-simulated-trading" not in str(Rest(Site.okx())._http.headers)


@pytest.mark.parametrize("ahead_ms", [-35_000, 35_000, 3_600_000])
def test_a_wrong_clock_is_measured_once_for_all_requests(ahead_ms: int) -> None:
    async def go() -> None:
        async with KeyedServer(ahead_ms=ahead_ms) as server, server.rest() as rest:
            server.answers["trade/order"] = answer({"sCode": "0"})
            await asyncio.gather(*(rest.get("account/balance") for _ in range(10)), rest.post("trade/order", {}))
            asked = [target for _, target, _, _ in server.requests]
            assert asked.count("/api/v5/public/time") == 1
            assert rest.server_clock.offset == ahead_ms * 10**6
            assert rest.server_clock.measured == 1
            server.requests.clear()
            await rest.get("account/positions")
            assert len(server.requests) == 1

    run(go())


def test_a_clock_that_stays_wrong_is_an_error_after_one_correction() -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["account/balance"] = answer(code="50102", status=401, message="Timestamp request expired")
            with pytest.raises(RestError, match="set the computer's clock") as caught:
                await rest.get("account/balance")
            assert (caught.value.code, caught.value.status) == ("50102", 401)
            assert [target for _, target, _, _ in server.requests].count("/api/v5/account/balance") == 2

    run(go())


@pytest.mark.parametrize(
    ("status", "code", "unclear"),
    [
        (200, "50011", False),
        (429, "50011", False),
        (200, "51000", False),
        (503, "50001", False),
        (200, "50004", True),
        (504, "50004", True),
        (200, "51054", True),
        (200, "51149", True),
        (500, "50026", True),
    ],
)
def test_a_post_is_sent_once_and_reports_if_it_may_have_happened(status: int, code: str, unclear: bool) -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["trade/order"] = answer(code=code, status=status)
            with pytest.raises(RestError) as caught:
                await rest.post("trade/order", {"instId": "BTC-USDT"})
            assert (caught.value.code, caught.value.may_have_happened) == (code, unclear)
            assert caught.value.advice or code in ("50013", "50026")
            assert len(server.requests) == 1

    run(go())


def test_failed_items_are_an_answer() -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["trade/order"] = answer({"sCode": "51008", "sMsg": "Insufficient"}, code="1")
            done = await rest.post("trade/order", {})
            assert (done.code, done.rows[0]["sCode"]) == ("1", "51008")

    run(go())


@pytest.mark.parametrize(
    ("raw", "unclear"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>", True),
        (b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\nConnection: close\r\n\r\n{", True),
    ],
)
def test_unreadable_answers_are_errors(raw: bytes, unclear: bool) -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.raw = raw
            with pytest.raises(RestError) as caught:
                await rest.post("trade/order", {})
            assert caught.value.may_have_happened is unclear
            assert len(server.requests) == 1
            with pytest.raises(RestError) as caught:
                await rest.get("account/balance")
            assert not caught.value.may_have_happened, "a read changes nothing"

    run(go())


def test_a_request_that_never_left_did_not_happen() -> None:
    async def go() -> None:
        async with KeyedServer() as server:
            rest = server.rest()
        with pytest.raises(RestError) as caught:
            await rest.post("trade/order", {})
        assert not caught.value.may_have_happened
        await rest.close()
        async with Rest(Site.local(1, rest_port=server.port)) as open_rest:
            with pytest.raises(RestError, match="give credentials"):
                await open_rest.get("account/balance")

    run(go())


def test_no_error_contains_a_secret_at_any_depth() -> None:
    async def go() -> list[BaseException]:
        seen: list[BaseException] = []
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["trade/order"] = answer(code="50113", status=401, message="Invalid Sign")
            for raw in (None, b"", b"junk\r\n\r\n"):
                server.raw = raw
                with pytest.raises(RestError) as caught:
                    await rest.post("trade/order", {})
                seen.append(caught.value)
            assert "canary" not in repr(rest) + repr(vars(rest))
        async with server.rest() as nobody_there:
            with pytest.raises(RestError) as caught:
                await nobody_there.get("account/balance")
        return [*seen, caught.value]

    for error in run(go()):
        assert error.__cause__ is error.__context__ is None
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(told.format()) + str(error) + repr(error) + repr(vars(error))
        assert "canary-s" not in text
        assert "canary-p" not in text


def test_lists_in_pages_are_read_whole() -> None:
    def pending(target: str) -> tuple[int, Any]:
        after = int(target.partition("after=")[2] or 251)
        ids = range(after - 1, max(0, after - 101), -1)
        return 200, {"code": "0", "msg": "", "data": [{"instId": "BTC-USDT", "ordId": str(i), "state": "live"} for i in ids]}

    def fills(target: str) -> tuple[int, Any]:
        assert "before=7" in target
        return 200, {"code": "0", "msg": "", "data": [{"billId": str(i)} for i in (9, 8, 7, 6)]}

    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["trade/orders-pending"] = pending
            server.answers["trade/fills"] = fills
            assert [order.order_id for order in await rest.pending_orders()] == [str(i) for i in range(250, 0, -1)]
            assert len(server.requests) == 3
            assert [row["billId"] for row in await rest.fill_rows(since_bill="7")] == ["9", "8"]

    run(go())


def test_account_reads_are_typed() -> None:
    async def go() -> None:
        async with KeyedServer() as server, server.rest() as rest:
            server.answers["account/balance"] = answer({"totalEq": "5", "details": [{"ccy": "BTC", "cashBal": "0.1", "eq": ""}]})
            server.answers["account/positions"] = answer({"instId": "BTC-USDT-SWAP", "pos": "-3", "liqPx": ""})
            server.answers["account/config"] = answer({"perm": "read_only,trade", "posMode": "net_mode"})
            server.answers["account/instruments"] = answer({"instId": "BTC-USDT", "instIdCode": 7, "tickSz": "0.1"})
            server.answers["trade/order"] = answer({"instId": "BTC-USDT", "ordId": "9", "state": "filled"})
            balance = (await rest.balance()).balances[0]
            assert (balance.currency, str(balance.cash), balance.equity) == ("BTC", "0.1", None)
            assert [str(position.size) for position in await rest.positions()] == ["-3"]
            assert (await rest.account_config())["perm"] == "read_only,trade"
            assert (await rest.account_instruments("SPOT"))[0].code == 7
            assert (await rest.order("BTC-USDT", client_order_id="c1")).state == "filled"
            assert server.requests[-1][1].endswith("?instId=BTC-USDT&clOrdId=c1")

    run(go())


def test_the_clock_difference_is_taken_at_the_middle_of_the_request() -> None:
    clock = ServerClock()
    assert clock.at(NOW) == NOW
    clock.learn(NOW // 10**6 + 5_000, NOW - 100_000_000, NOW + 300_000_000)
    assert clock.at(NOW) == NOW + 4_900_000_000
    assert repr(clock) == "ServerClock(offset=+4900 ms, measured=1)"
