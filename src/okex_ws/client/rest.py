"""REST: the reads that a stream and the reconciliation of an account need, and signed requests. Not a second SDK.

A read that finds OKX busy (429, 50011) is repeated after a pause, in all `TRIES` times at most. A request that changes state is
sent once; if `RestError.may_have_happened` is set, the caller must find out its outcome.
Source: docs-v5 "REST API", "REST authentication".
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.client.clock import Clock
from okex_ws.client.sanitize import one_line
from okex_ws.client.sites import Site
from okex_ws.errors import OkexError
from okex_ws.events import AccountUpdate, BookSnapshot, Instrument, OrderUpdate, PositionUpdate
from okex_ws.protocol.pacing import Backoff
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.channels import subscription
from okex_ws.wire.codes import CodePolicy, lookup
from okex_ws.wire.frames import book_snapshot, decode_rows
from okex_ws.wire.sign import Credentials, rest_sign

if TYPE_CHECKING:
    import httpx

TRIES = 4
BUSY = ("50011", "50013", "50040", "50061")
UNSIGNED = ("public", "market", "system")
"""First parts of public paths; a key is never sent to them."""
MOST_PAGES = 40
"""Largest number of pages of 100 per list: OKX allows 4,000 open orders per account."""


class RestError(OkexError):
    """A REST request that failed.

    status: HTTP's, 0 when there was no answer; code: OKX's, "" when there was none; advice: what to change.
    may_have_happened: True when the request may have reached OKX and its outcome is not known.
    """

    def __init__(self, what: str, *, status: int = 0, code: str = "", may_have_happened: bool = False) -> None:
        super().__init__(what)
        self.status = status
        self.code = code
        self.advice = lookup(code).advice if code else ""
        self.may_have_happened = may_have_happened


class RestAnswer(msgspec.Struct, frozen=True):
    """OKX's answer to a POST. code: 0 done, 1 every item failed, 2 some items failed; each row has its own `sCode`."""

    code: str
    message: str
    rows: list[Any]


class Rest:
    """Requests to one site. Close it, or use it as an async context manager.

    credentials: sign requests that are not public. server_clock: OKX's time, shared with other signers; it is corrected when OKX
    refuses a signature as too old or too new.
    """

    def __init__(
        self,
        site: Site,
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
        credentials: Credentials | None = None,
        server_clock: ServerClock | None = None,
        now: Callable[[], int] | None = None,
    ) -> None:
        import httpx  # lazy: its import takes longer than all others, and a stream alone needs no REST

        if ssl_context is None and site.rest.startswith("http://"):
            ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; saves loading the trusted certificates
        self.site = site
        self.server_clock = server_clock or ServerClock()
        self._credentials = credentials
        self._now = now or Clock().now
        self._measuring = asyncio.Lock()
        self._failure = httpx.HTTPError
        self._never_left = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
        headers = {"x-simulated-trading": "1"} if site.demo else {}
        self._http = httpx.AsyncClient(
            base_url=site.rest,
            headers=headers,
            timeout=timeout_s,
            verify=ssl_context if ssl_context is not None else True,
            follow_redirects=False,  # a key is never sent to another host
            trust_env=not site.is_local,
        )

    async def __aenter__(self) -> Rest:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- requests --------------------------------------------------------------------------------------------------------

    async def get(self, path: str, **query: str | int | None) -> list[Any]:
        """Send GET /api/v5/`path`, signed unless it is public, and return the `data`. Raises RestError."""
        return (await self._request("GET", path, query=query)).rows

    async def post(self, path: str, body: Any, *, expires_ms: int | None = None) -> RestAnswer:
        """Send POST /api/v5/`path` once, signed. Codes 0, 1 and 2 are answers; others raise RestError.

        expires_ms: OKX refuses the request (50036) if it arrives later than this, ms UTC by OKX's clock.
        """
        return await self._request("POST", path, body=msgspec.json.encode(body), expires_ms=expires_ms)

    async def measure_clock(self) -> ServerClock:
        """Fetch OKX's time and correct `server_clock`. Raises RestError."""
        sent_at = self._now()
        server_ms = await self.time_ms()
        self.server_clock.learn(server_ms, sent_at, self._now())
        return self.server_clock

    # -- public reads ----------------------------------------------------------------------------------------------------

    async def time_ms(self) -> int:
        """Return OKX's time, ms UTC (`public/time`)."""
        rows = await self.get("public/time")
        try:
            return int(rows[0]["ts"])
        except (LookupError, TypeError, ValueError):
            raise RestError("GET public/time: no time in the answer") from None

    async def instruments(self, instrument_type: str, *, family: str | None = None) -> list[Instrument]:
        """Return the instruments of a type; OPTION needs a family such as BTC-USD (`public/instruments`)."""
        rows = await self.get("public/instruments", instType=instrument_type, instFamily=family)
        return decode_rows(rows, Instrument, "instruments")

    async def book_rows(self, instrument: str, depth: int = 400) -> list[Any]:
        """Return a book with its sequence as OKX's rows, for `wire.frames.book_snapshot` (`market/books`)."""
        return await self.get("market/books", instId=instrument, sz=depth)

    async def book(self, instrument: str, depth: int = 400) -> BookSnapshot | None:
        """Return the snapshot of a book with its sequence, None without one; ts_recv is not set (`market/books`)."""
        return book_snapshot(await self.book_rows(instrument, depth), subscription("books", instId=instrument))

    async def system_status(self) -> list[dict[str, Any]]:
        """Return announced and running maintenance (`system/status`)."""
        return await self.get("system/status")

    # -- account reads ---------------------------------------------------------------------------------------------------

    async def account_config(self) -> dict[str, Any]:
        """Return the account's settings and its key's permissions, by OKX's names (`account/config`)."""
        return dict((await self.get("account/config"))[0])

    async def account_instruments(self, instrument_type: str, *, family: str | None = None) -> list[Instrument]:
        """Instruments that this account may trade, as `instruments` (`account/instruments`)."""
        rows = await self.get("account/instruments", instType=instrument_type, instFamily=family)
        return decode_rows(rows, Instrument, "instruments")

    async def balance(self) -> AccountUpdate:
        """Return all currencies that are not zero (`account/balance`)."""
        return decode_rows(await self.get("account/balance"), AccountUpdate, "account")[0]

    async def positions(self, instrument_type: str | None = None) -> list[PositionUpdate]:
        """Return all positions that are not zero (`account/positions`)."""
        return decode_rows(await self.get("account/positions", instType=instrument_type), PositionUpdate, "positions")

    async def pending_orders(self, instrument: str | None = None) -> list[OrderUpdate]:
        """Return all open orders, newest first (`trade/orders-pending`, all pages)."""
        return decode_rows(await self.all_pages("trade/orders-pending", "ordId", instId=instrument), OrderUpdate, "orders")

    async def order(self, instrument: str, *, order_id: str = "", client_order_id: str = "") -> OrderUpdate:
        """Return an order, the latest one of a client order id (`trade/order`). Raises RestError 51603 if there is none."""
        rows = await self.get("trade/order", instId=instrument, ordId=order_id or None, clOrdId=client_order_id or None)
        return decode_rows(rows, OrderUpdate, "orders")[0]

    async def fill_rows(self, *, since_bill: str | None = None) -> list[dict[str, Any]]:
        """Return the fills after a `billId`, of three days at most, newest first, as OKX's rows (`trade/fills`, all pages)."""
        rows = await self.all_pages("trade/fills", "billId", before=since_bill)
        return [row for row in rows if since_bill is None or int(row["billId"]) > int(since_bill)]

    async def all_pages(self, path: str, key: str, **query: str | None) -> list[Any]:
        """Return a whole list that has pages of 100, newest first. key: the field by which the next page is requested."""
        rows: list[Any] = []
        for _ in range(MOST_PAGES):
            page = await self.get(path, limit=100, after=rows[-1][key] if rows else None, **query)
            rows += page
            if len(page) < 100:
                return rows
        raise RestError(f"GET {path}: more than {MOST_PAGES} pages")

    # -- inside ----------------------------------------------------------------------------------------------------------

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] = {},
        body: bytes = b"",
        expires_ms: int | None = None,
    ) -> RestAnswer:
        is_private = path.partition("/")[0] not in UNSIGNED
        if is_private and self._credentials is None and path.startswith(("account/", "trade/")):
            raise RestError(f"{method} {path}: give credentials; this request is private")
        params = {name: str(value) for name, value in query.items() if value is not None}
        backoff, corrected = Backoff(0.5, 30.0), False
        tries = 0
        while True:
            tries += 1
            known = self.server_clock.measured
            answer = await self._send(method, path, params, body, expires_ms, is_private)
            reply = _body(answer, method, path)
            code, rows = str(reply.get("code", "")), reply.get("data")
            if isinstance(rows, list) and (code == "0" or (method == "POST" and code in ("1", "2"))):
                return RestAnswer(code, str(reply.get("msg", "")), rows)
            if lookup(code).policy is CodePolicy.CLOCK and is_private and not corrected:
                corrected = True  # refused for its timestamp only, so nothing happened; it is signed and sent once more
                await self._correct_clock(known)
                continue
            if method != "GET" or tries == TRIES or not (answer.status_code == 429 or code in BUSY):
                raise _refusal(method, path, answer.status_code, code, str(reply.get("msg", "")))
            await asyncio.sleep(backoff.next_s(1.0))

    async def _send(
        self, method: str, path: str, params: dict[str, str], body: bytes, expires_ms: int | None, is_private: bool
    ) -> httpx.Response:
        request = self._http.build_request(method, f"/api/v5/{path}", params=params or None, content=body or None)
        if body:
            request.headers["Content-Type"] = "application/json"
        if expires_ms is not None:
            request.headers["expTime"] = str(expires_ms)
        if is_private and self._credentials is not None:
            _sign(request, self._credentials, _stamp(self.server_clock.at(self._now())), body)
        try:
            return await self._http.send(request)
        except self._failure as error:
            text, left = one_line(str(error)) or type(error).__name__, not isinstance(error, self._never_left)
        # Outside the handler: httpx's exception refers to the request, and the request contains the key.
        raise RestError(f"{self.site.rest}/api/v5/{path}: {text}", may_have_happened=left and method != "GET")

    async def _correct_clock(self, known: int) -> None:
        """Fetch OKX's time unless another request did since `known`: a hundred refused requests fetch it once."""
        async with self._measuring:
            if self.server_clock.measured == known:
                await self.measure_clock()


def _sign(request: httpx.Request, credentials: Credentials, timestamp: str, body: bytes) -> None:
    """Sign path and query exactly as httpx sends them."""
    path = request.url.raw_path.decode()
    request.headers["OK-ACCESS-KEY"] = credentials.api_key
    request.headers["OK-ACCESS-SIGN"] = rest_sign(credentials.secret, timestamp, request.method, path, body.decode())
    request.headers["OK-ACCESS-TIMESTAMP"] = timestamp
    request.headers["OK-ACCESS-PASSPHRASE"] = credentials.passphrase


def _stamp(ns: int) -> str:
    """Return a time as OKX expects it: ISO 8601 with milliseconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def _refusal(method: str, path: str, status: int, code: str, message: str) -> RestError:
    """Return the error that an answer without the wanted rows means."""
    known = lookup(code)
    advice = f"; {known.advice}" if code and known.advice else ""
    text = f"{method} {path}: HTTP {status}, code {code or '-'} {message}".rstrip(" .")
    unclear = method != "GET" and (code in ("50004", "51054", "51149", "51412") or (status >= 500 and code in ("", "50026")))
    return RestError(one_line(text + advice), status=status, code=code, may_have_happened=unclear)


def _body(answer: httpx.Response, method: str, path: str) -> dict[str, Any]:
    status = answer.status_code
    if answer.is_redirect:
        target = one_line(answer.headers.get("Location", ""))
        raise RestError(f"{method} {path}: HTTP {status}, a redirect to {target}, which is not followed", status=status)
    try:
        body = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        unclear = method != "GET" and status >= 500
        body = None
    else:
        return body if isinstance(body, dict) else {}
    raise RestError(f"{method} {path}: HTTP {status}, no JSON", status=status, may_have_happened=unclear)
