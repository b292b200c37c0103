"""RedisSink: a cache of latest values, and streams; `redis://user:password@host:6379/0`, `rediss://` with TLS.

Latest values are hashes of our field names, never replaced by older ones: `okex:latest:trade:BTC-USDT`, `:ticker:`, `:book:`
(best bid and ask, from any book channel; `state` is live or stale), `:candle1m:` by channel, `:mark_price:`, `:funding_rate:`
and so on. Streams hold every event as one field `json`: `okex:stream:trades:BTC-USDT`, by channel and instrument.
Options: maxlen (approximate number of events kept per stream; default 100000, 0 keeps all), streams=no, latest=no,
prefix (default okex).

The position is kept in Redis (`okex:position:<recorder>`) and written with the events in one script, so a repeated event
is stored once. `put` returns when Redis has the events; its appendonly setting decides which of them survive its own crash.

A killed Redis may leave the start of a transaction at the end of its append-only file. Redis before the mend of valkey pull
request 4342 drops only the torn command there, not the transaction: its events are absent after the first restart, are sent
again, and return after the second restart. So each connection notes the server's run, the position and the time in
`okex:runs:<recorder>`. In a new run, events behind a noted position that are older than the note are the returned ones, and
are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Any

from okex_ws.events import BookEvent, Candle, Event, Level, Push, StatusEvent
from okex_ws.market import Books, OrderBook
from okex_ws.sinks.rows import kind_of, safe_token, topic
from okex_ws.sinks.sink import (
    CLOSE_TIMEOUT_S,
    NOTHING,
    OPEN_TIMEOUT_S,
    Batch,
    SinkError,
    SinkPosition,
    SinkUnreachableError,
    SinkUrl,
    library,
    read_url,
    split_id,
)

_SINGLE = ("trade", "single_trade", "ticker", "mark_price", "index_ticker", "funding_rate", "open_interest", "price_limit",
           "estimated_price", "option_summary", "spread_trade", "spread_ticker")  # fmt: skip

# A chunk is stored whole or not at all: only if the position is the one the writer expects.
_APPEND = """
local held = redis.call('GET', KEYS[1]) or ''
if held ~= ARGV[1] then return held end
local maxlen = ARGV[3]
for k = 4, #ARGV, 2 do
  if maxlen == '0' then redis.call('XADD', ARGV[k], '*', 'json', ARGV[k + 1])
  else redis.call('XADD', ARGV[k], 'MAXLEN', '~', maxlen, '*', 'json', ARGV[k + 1]) end
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', 2592000)
return ARGV[2]
"""

# Times have 19 digits and are compared as texts, since Lua's numbers are doubles.
_LATEST = """
local k = 1
while k <= #ARGV do
  local key, width = ARGV[k], tonumber(ARGV[k + 2])
  local held = redis.call('HGET', key, 'ts_event')
  if not held or #held < #ARGV[k + 1] or (#held == #ARGV[k + 1] and held <= ARGV[k + 1]) then
    redis.call('HSET', key, unpack(ARGV, k + 3, k + 2 + width))
  end
  k = k + 3 + width
end
return 1
"""

_ID = re.compile(rb'"id":"([^"]*)"')

RUNS = 16
"""Maximum number of noted runs of a server: an interrupted transaction returns at the restart after the next one."""

CHUNK = 500
"""Events per script: Redis serves no other client while a script runs."""


class RedisSink:
    """One connection to a Redis server. Needs the extra `redis`."""

    def __init__(self, url: SinkUrl, *, maxlen: int = 100_000, streams: bool = True, latest: bool = True, prefix: str = "okex"):
        self.url = url.masked
        self._url = url
        self._maxlen, self._streams, self._latest, self._prefix = maxlen, streams, latest, prefix
        self._redis: Any = None
        self._errors: Any = None
        self._append = self._keep = ""
        self._positions: dict[str, SinkPosition] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._tops = _Tops()

    @classmethod
    def from_url(cls, text: str) -> RedisSink:
        url = read_url(text, 6379)
        url.only("maxlen", "streams", "latest", "prefix")
        if not re.fullmatch(r"/?|/[0-9]{1,5}", url.path):
            raise SinkError(f"{url.masked}: a Redis database is a number, e.g. redis://{url.host}/0")
        prefix = url.options.get("prefix", "okex")
        streams, latest = url.switch("streams", True), url.switch("latest", True)
        if not streams and not latest:
            raise SinkError(f"{url.masked}: streams=no and latest=no together disable all output")
        return cls(url, maxlen=url.whole_number("maxlen", 100_000), streams=streams, latest=latest, prefix=prefix)

    async def open(self) -> None:
        asyncio_redis = library("redis.asyncio", "redis", f"{self._url.scheme}://")
        self._errors = library("redis.exceptions", "redis", "redis://")
        retry = library("redis.asyncio.retry", "redis", "redis://")
        backoff = library("redis.backoff", "redis", "redis://")
        await self.close()
        url = self._url
        try:
            self._redis = asyncio_redis.Redis(
                host=url.host,
                port=url.port,
                db=int(url.path.strip("/") or 0),
                username=url.user or None,
                password=url.password or None,
                ssl=url.scheme == "rediss",
                socket_timeout=None,
                socket_connect_timeout=OPEN_TIMEOUT_S,
                single_connection_client=True,
                retry=retry.Retry(backoff.NoBackoff(), 0),
            )
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                self._append = await self._redis.script_load(_APPEND)
                self._keep = await self._redis.script_load(_LATEST)
        except Exception as error:
            await self.close()
            raise self._error(error) from None
        self._positions = {}

    async def put(self, batch: Batch) -> None:
        if self._redis is None:
            raise SinkUnreachableError(f"{self.url}: not connected")
        try:
            if self._streams:
                for recorder, part in _by_recorder(batch):
                    await self._add(recorder, part)
            if self._latest:
                arguments = self._latest_of(batch)
                if arguments:
                    await self._redis.evalsha(self._keep, 0, *arguments)
        except Exception as error:
            raise self._error(error) from None

    async def reached(self, recorder: str) -> SinkPosition | None:
        if not self._streams or self._redis is None:
            return None
        try:
            text = await self._redis.get(f"{self._prefix}:position:{recorder}")
        except Exception as error:
            raise self._error(error) from None
        return _position(text)

    async def close(self) -> None:
        client, self._redis = self._redis, None
        if client is None:
            return
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.aclose(), CLOSE_TIMEOUT_S)

    async def _add(self, recorder: str, part: list[tuple[SinkPosition, str, Event]]) -> None:
        key = f"{self._prefix}:position:{recorder}"
        held = self._positions.get(recorder)
        if held is None:
            held = _position(await self._redis.get(key))
            await self._delete_returned(recorder, held)
        while True:
            part = [item for item in part if item[0] > held]
            if not part:
                break
            pipe = self._redis.pipeline(transaction=False)
            expected = held
            for start in range(0, len(part), CHUNK):
                chunk = part[start : start + CHUNK]
                reached = chunk[-1][0]
                arguments: list[Any] = [_text(expected), _text(reached), self._maxlen]
                for _, event_id, event in chunk:
                    arguments += (self._stream(event), kind_of(event).json(event_id, event))
                pipe.evalsha(self._append, 1, key, *arguments)
                expected = reached
            answer = _position((await pipe.execute())[-1])
            if answer == expected:
                held = expected
                break
            held = answer  # another connection of ours has written more, or Redis lost data: continue from its position
        self._positions[recorder] = held

    async def _delete_returned(self, recorder: str, held: SinkPosition) -> None:
        """Delete the events of interrupted transactions that a restart of the server has brought back; note this run."""
        key = f"{self._prefix}:runs:{recorder}"
        try:
            run = (await self._redis.info("server"))["run_id"].encode()
            seconds, micros = await self._redis.time()
        except self._errors.NoPermissionError:
            return
        noted: dict[bytes, bytes] = await self._redis.hgetall(key)
        if run in noted:
            return
        notes = sorted(tuple(map(int, note.split(b":"))) for note in noted.values())
        if notes:
            async for stream in self._redis.scan_iter(f"{_literal(self._prefix)}:stream:*", count=1000):
                for place, (ms, n, i) in enumerate(notes):
                    since = notes[place - 1][0] if place else 0
                    found = await self._behind(stream, recorder, SinkPosition(n, i), since, ms)
                    repeated = await self._positions_from(stream, recorder, ms, max(found.values())) if found else set()
                    # Events behind the position are sent again. A transaction that returned may also be the only copy.
                    returned = [entry for entry, position in found.items() if position > held or position in repeated]
                    if returned:
                        await self._redis.xdel(stream, *returned)
        now = seconds * 1000 + micros // 1000
        oldest = sorted(noted, key=lambda each: int(noted[each].split(b":")[0]))[: max(0, len(noted) + 1 - RUNS)]
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(key, run, f"{now}:{held.n}:{held.i}")
        if oldest:
            pipe.hdel(key, *oldest)
        pipe.expire(key, 2_592_000)
        await pipe.execute()

    async def _behind(
        self, stream: bytes, recorder: str, held: SinkPosition, since: int, until: int
    ) -> dict[bytes, SinkPosition]:
        """Return the recorder's events behind a position among the entries between two times, ms."""
        found: dict[bytes, SinkPosition] = {}
        last = str(until - 1).encode()
        while True:
            entries = await self._redis.xrevrange(stream, last, since, count=CHUNK)
            for entry, fields in entries:
                position = _position_in(fields, recorder)
                if position is not None and position <= held:
                    return found  # a recorder's events are in order
                if position is not None:
                    found[entry] = position
            if len(entries) < CHUNK:
                return found
            last = b"(" + entries[-1][0]

    async def _positions_from(self, stream: bytes, recorder: str, ms: int, last: SinkPosition) -> set[SinkPosition]:
        """Return the positions of the recorder's events from a time on, up to the first one behind `last`."""
        found: set[SinkPosition] = set()
        first = str(ms).encode()
        while True:
            entries = await self._redis.xrange(stream, first, "+", count=CHUNK)
            for _, fields in entries:
                position = _position_in(fields, recorder)
                if position is not None and position > last:
                    return found
                if position is not None:
                    found.add(position)
            if len(entries) < CHUNK:
                return found
            first = b"(" + entries[-1][0]

    def _stream(self, event: Event) -> str:
        place = topic(event)
        name = self._names.get(place)
        if name is None:
            name = self._names[place] = f"{self._prefix}:stream:{safe_token(place[0])}:{safe_token(place[1])}"
        return name

    def _latest_of(self, batch: Batch) -> list[Any]:
        newest: dict[str, Event] = {}
        for _, event in batch:
            if isinstance(event, BookEvent | StatusEvent):
                self._tops.apply(event)
            elif isinstance(event, Push):
                name = _latest_name(event)
                if name and (name not in newest or event.ts_event >= newest[name].ts_event):
                    newest[name] = event
        arguments: list[Any] = []
        for name, event in newest.items():
            kind = kind_of(event)
            pairs: list[Any] = ["ts_event", event.ts_event]
            for column, value in zip(kind.columns, kind.flat(event), strict=True):
                pairs += (column.name, _scalar(value))
            arguments += (f"{self._prefix}:latest:{name}", event.ts_event, len(pairs), *pairs)
        for instrument, top in self._tops.changed():
            pairs = [part for name, value in top.items() for part in (name, _scalar(value))]
            arguments += (f"{self._prefix}:latest:book:{safe_token(instrument)}", top["ts_event"], len(pairs), *pairs)
        return arguments

    def _error(self, error: Exception) -> SinkError:
        errors, url = self._errors, self._url
        text = url.clean(error)
        if isinstance(error, SinkError):
            return error
        if isinstance(error, errors.AuthenticationError) or "WRONGPASS" in text or "NOAUTH" in text:
            return SinkError(f"{self.url}: Redis refuses the login: wrong user or password")
        if "DB index is out of range" in text:
            return SinkError(f"{self.url}: this Redis has no database {url.path.strip('/')}")
        if isinstance(error, errors.NoPermissionError) or "NOPERM" in text:
            return SinkError(f"{self.url}: this user lacks the permission: {text}")
        if "WRONGTYPE" in text:
            return SinkError(f"{self.url}: a key of this name has another type; choose another with ?prefix=")
        if isinstance(error, TimeoutError | errors.TimeoutError):
            return SinkUnreachableError(f"{self.url}: no answer from {url.place} within {OPEN_TIMEOUT_S:.0f} s")
        if isinstance(error, OSError | errors.ConnectionError) and ("111" in text or "refused" in text):
            return SinkUnreachableError(f"{self.url}: connection refused at {url.place}; is Redis running?")
        return SinkUnreachableError(f"{self.url}: {text or type(error).__name__}")


class _Tops:
    """The best prices of every book, and the books that changed."""

    def __init__(self) -> None:
        self._books = Books()
        self._touched: dict[tuple[str, str], OrderBook] = {}
        self._shown: dict[str, tuple[str, str]] = {}  # instrument -> last published (channel, state)

    def apply(self, event: BookEvent | StatusEvent) -> None:
        self._books.apply(event)
        if isinstance(event, BookEvent):
            book = self._books.get(event.instrument, event.channel)
            self._touched[event.channel, event.instrument] = book
        else:
            for book in self._books:
                if not book.is_live:
                    self._touched[book.channel, book.instrument] = book

    def changed(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (instrument, fields) of the books that changed since the last call; a stale one has no prices."""
        touched, self._touched = self._touched, {}
        for (channel, instrument), book in touched.items():
            state = "live" if book.is_live else "stale"
            known = self._shown.get(instrument)
            # A stale book is published once, and does not replace a live book of another channel.
            if state == "stale" and known is not None and (known[0] != channel or known[1] == "stale"):
                continue
            self._shown[instrument] = (channel, state)
            bid, ask = book.best_bid or _NOTHING, book.best_ask or _NOTHING
            yield instrument, {
                "ts_event": book.ts_event, "ts_recv": book.ts_recv, "channel": channel, "instrument": instrument,
                "state": state, "best_bid": bid[0], "best_bid_size": bid[1], "best_ask": ask[0], "best_ask_size": ask[1],
                "sequence": book.sequence,
            }  # fmt: skip


_NOTHING: Level | tuple[None, None, None] = (None, None, None)


def _latest_name(event: Push) -> str:
    instrument = getattr(event, "instrument", "")
    if not instrument:
        return ""
    if isinstance(event, Candle):
        return f"{safe_token(event.channel)}:{safe_token(instrument)}"
    name = kind_of(event).name
    return f"{name}:{safe_token(instrument)}" if name in _SINGLE else ""


def _by_recorder(batch: Batch) -> Iterator[tuple[str, list[tuple[SinkPosition, str, Event]]]]:
    parts: dict[str, list[tuple[SinkPosition, str, Event]]] = {}
    for event_id, event in batch:
        recorder, position = split_id(event_id)
        parts.setdefault(recorder, []).append((position, event_id, event))
    yield from parts.items()


def _position(text: bytes | None) -> SinkPosition:
    if not text:
        return NOTHING
    n, _, i = text.decode().partition(":")
    return SinkPosition(int(n), int(i))


def _position_in(fields: dict[bytes, bytes], recorder: str) -> SinkPosition | None:
    """Return the position of a stream's entry; None if it is not an event of this recorder."""
    found = _ID.search(fields.get(b"json", b""))
    if found is None or not found[1].startswith(f"{recorder}:".encode()):
        return None
    return split_id(found[1].decode())[1]


def _literal(text: str) -> str:
    """Return a text as a pattern of Redis that matches itself."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)


def _text(position: SinkPosition) -> str:
    return f"{position.n}:{position.i}" if position.n >= 0 else ""


def _scalar(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str | bytes | int | float) else str(value)
