"""REST: the few reads a stream needs. Not a second SDK.

Source: docs-v5 "REST API", public data and market data. Rate limits are per IP; a 429 or code 50011 waits and tries again,
at most `TRIES` times.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.client.endpoints import Site
from okex_ws.client.plain import one_line
from okex_ws.events import BookSnapshot, Instrument
from okex_ws.wire.channels import subscription
from okex_ws.wire.frames import book_image, decode_rows

if TYPE_CHECKING:
    import httpx

TRIES = 4
BUSY = ("50011", "50013", "50040", "50061")


class RestError(Exception):
    """A REST read that failed. status: HTTP's, 0 when there was no answer; code: OKX's, "" when there was none."""

    def __init__(self, what: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.code = code


class Rest:
    """Reads from one site. Close it, or use it as an async context manager."""

    def __init__(self, site: Site, *, ssl_context: ssl.SSLContext | None = None, timeout_s: float = 10.0) -> None:
        import httpx  # here, because it takes longer to import than all the rest, and a stream alone needs no REST

        if ssl_context is None and site.rest.startswith("http://"):
            ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and saves loading what is trusted
        self.site = site
        self._failure = httpx.HTTPError
        headers = {"x-simulated-trading": "1"} if site.demo else {}
        self._http = httpx.AsyncClient(
            base_url=site.rest,
            headers=headers,
            timeout=timeout_s,
            verify=ssl_context if ssl_context is not None else True,
            follow_redirects=False,
            trust_env=not site.is_local,
        )

    async def __aenter__(self) -> Rest:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: str | int | None) -> list[Any]:
        """The `data` of GET /api/v5/`path`. Raises RestError."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        pause_s = 0.5
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                answer = await self._http.get(f"/api/v5/{path}", params=params)
            except self._failure as error:
                text = one_line(str(error)) or type(error).__name__
                raise RestError(f"{self.site.rest}/api/v5/{path}: {text}") from None
            body = _body(answer, path)
            code = str(body.get("code", ""))
            if code == "0" and isinstance(body.get("data"), list):
                return list(body["data"])
            if last or not (answer.status_code == 429 or code in BUSY):
                text = f"GET {path}: HTTP {answer.status_code}, code {code or '-'} {body.get('msg', '')}".rstrip()
                raise RestError(one_line(text), status=answer.status_code, code=code)
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("the last try returns or raises")

    async def time_ms(self) -> int:
        """The exchange's clock, ms UTC (`public/time`)."""
        return int((await self.get("public/time"))[0]["ts"])

    async def instruments(self, instrument_type: str, *, family: str | None = None) -> list[Instrument]:
        """Reference data of a type; OPTION needs a family, e.g. BTC-USD (`public/instruments`)."""
        rows = await self.get("public/instruments", instType=instrument_type, instFamily=family)
        return decode_rows(rows, Instrument, "instruments")

    async def book_rows(self, instrument: str, depth: int = 400) -> list[Any]:
        """A book image with its sequence as OKX's rows, for `wire.frames.book_image` (`market/books`)."""
        return await self.get("market/books", instId=instrument, sz=depth)

    async def book(self, instrument: str, depth: int = 400) -> BookSnapshot | None:
        """A book image with its sequence, None when there is none; ts_recv is not set (`market/books`)."""
        return book_image(await self.book_rows(instrument, depth), subscription("books", instId=instrument))

    async def system_status(self) -> list[dict[str, Any]]:
        """Announced and running maintenance (`system/status`)."""
        return await self.get("system/status")


def _body(answer: httpx.Response, path: str) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RestError(f"GET {path}: HTTP {answer.status_code}, no JSON", status=answer.status_code) from None
    return body if isinstance(body, dict) else {}
