"""V1's channel names and our subscriptions: `ok_sub_futureusd_btc_trade_quarter` is trades of BTC-USD-QUARTER.

Instruments: spot BTC-USDT; futures BTC-USD-THIS-WEEK, BTC-USD-NEXT-WEEK, BTC-USD-QUARTER; indices BTC-USD. Channels have the
names of V5 where it has them: deals and trade are `trades`, depth is `books`, depth_5 `books5` (and books10, books20, books60),
ticker `tickers`, kline_1min `candle1m`, index `index-tickers`, markprice `mark-price`, X_forecast_price `estimated-price`, order
and trades `orders`, balance and userinfo `account`, positions `positions`. A name that is not the usual one of its channel (an
alias, an OKCoin name from before 2017) stays in the subscription as `name`.
Source: OKEx's pages "WebSocket API for Spot" and "... for Futures", 2018-02 to 2019-07.
"""

from __future__ import annotations

import difflib
import re

from okex_ws.legacy.v1.wire.nearest import is_kind, nearest
from okex_ws.wire.channels import Subscription, SubscriptionError

BARS = {
    **{f"{n}min": f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{f"{n}hour": f"{n}H" for n in (1, 2, 4, 6, 12)},
    "day": "1D",
    "3day": "3D",
    "week": "1W",
}
"""V1's length of a candle → ours; those of 6 hours and more open at UTC+8 boundaries, as ours do."""
_PERIODS = {bar: period for period, bar in BARS.items()}
CONTRACTS = ("this_week", "next_week", "quarter")
CONTRACT_WORDS = (*CONTRACTS, "this_quarter")
"""The server's names of contracts; the last is another name of the third."""
COINS = ("btc", "ltc", "eth", "etc", "bch", "eos", "xrp", "btg")
"""Coins with futures; OKEx added a few later, so others are not refused."""
ORDERS, ACCOUNT, POSITIONS = "ok_sub_futureusd_trades", "ok_sub_futureusd_userinfo", "ok_sub_futureusd_positions"
FUTURES = (("instType", "FUTURES"),)
_FUTURES_OWN = {ORDERS: "orders", ACCOUNT: "account", POSITIONS: "positions"}

_MISNOMERS = {"ok_sub_futureusd_orders": ORDERS}
"""Plausible wrong names → the right ones."""
_WORDS = {"ticker": "tickers", "deals": "trades", "trade": "trades", "trades": "trades", "depth": "books"}
_SPOT_OWN = {"order": "orders", "balance": "account"}
_WORD = r"(?P<word>ticker|depth(?:_(?P<levels>\d+))?|kline_(?P<period>\w+)"
_COIN, _CONTRACT = r"(?P<coin>[a-z0-9]{2,10})", r"(?P<contract>this_week|next_week|quarter|this_quarter)"
_SPOT = re.compile(rf"ok_sub_spot_{_COIN}_(?P<quote>[a-z0-9]{{2,10}})_{_WORD}|deals|order|balance)")
_OKCOIN = re.compile(rf"ok_(?:sub_spot)?(?:(?P<money>usd|cny)_{_COIN}|(?P<pair>[a-z]{{3}})(?P<paid>usd|cny))_{_WORD}|trades)")
_FUTURES = re.compile(rf"ok_sub_futureusd_{_COIN}_(?P<word>ticker|trade|depth|markprice)_{_CONTRACT}(?:_(?P<levels>\d+))?")
_KLINE = re.compile(rf"ok_sub_futureusd_{_COIN}_kline_{_CONTRACT}_(?P<period>\w+)")
_DEPTH = re.compile(rf"ok_sub_future_{_COIN}_depth_{_CONTRACT}_usd")
_PREFIX = re.compile(r"^(?:ok_?)?(?:sub_?)?(?:spot|futures?(?:usd)?)?_?")
_PAIR = re.compile(r"([a-z0-9]{2,10}?)_?(usdt|btc|eth|bch|okb|usd|cny)(?=_|$)")
_INDEX = re.compile(rf"ok_sub_futureusd_{_COIN}_index")
_FORECAST = re.compile(rf"{_COIN}_forecast_price")
_OF = {
    "index-tickers": "indices, e.g. BTC-USD",
    "mark-price": "futures, e.g. BTC-USD-QUARTER",
    "estimated-price": "indices, and comes by itself in the last hour before delivery",
    "orders": "spot pairs, and of all futures at once: FUTURES",
    "account": "spot pairs, and of all futures at once: FUTURES",
    "positions": "all futures at once: FUTURES",
}
"""Channels of some instruments only → those instruments."""
_LEVELS = {"spot": ("5", "10", "20"), "okcoin": ("20", "60"), "futures": ("5", "10", "20")}
"""Depths of a book, besides the whole one."""


def subscription(channel: str, key: str | None = None, **args: str) -> Subscription:
    """Return a checked Subscription of our channel name and instrument, or of V1's own name. Raises SubscriptionError.

    `subscription("trades", "BTC-USD-QUARTER")` is `subscription("ok_sub_futureusd_btc_trade_quarter")`; orders, account and
    positions of futures have the key FUTURES.
    """
    if channel.lower().startswith("ok_") or channel.endswith("_forecast_price") or "name" in args:
        name = args.get("name", channel)
        item = meaning(name)
        if item is None:
            raise SubscriptionError(_no_such(name))
        wrong = {word: value for word, value in args.items() if word != "name" and dict(item.args).get(word) != value}
        if wrong or key not in (None, item.key):
            given = key if not wrong else ", ".join(f"{word}={value}" for word, value in wrong.items())
            raise SubscriptionError(f"{name} names its instrument itself, {item.key}; leave {given} out")
        return _askable(item)
    value = key if key is not None else args.get("instId", args.get("instType", ""))
    main = "instType" if value == "FUTURES" else "instId"
    further = set(args) - {"instId", "instType"}
    if further:
        raise SubscriptionError(f"V1 has no key {further.pop()}; a channel and an instrument are all it takes")
    if not value:
        raise SubscriptionError(f"{channel} needs an instrument, e.g. BTC-USDT or BTC-USD-QUARTER")
    return _askable(Subscription(channel, ((main, value),)))


def _askable(item: Subscription) -> Subscription:
    name = literal(item)
    if name.endswith("_forecast_price"):
        raise SubscriptionError(f"{name} comes by itself in the last hour before delivery; it cannot be asked for")
    return item


def literal(item: Subscription) -> str:
    """Return V1's name of a subscription. Raises SubscriptionError if it has none."""
    return dict(item.args).get("name") or _usual(item)


def meaning(name: str) -> Subscription | None:
    """Return the subscription of a channel name; None for a name that V1 does not have."""
    found = _meaning(name)
    if found is None:
        return None
    channel, args = found
    item = Subscription(channel, args)
    try:
        is_usual = _usual(item) == name
    except SubscriptionError:  # OKCoin's depth_60
        is_usual = False
    return item if is_usual else Subscription(channel, tuple(sorted((*args, ("name", name)))))


def instrument_of(coin: str, contract: str) -> str:
    """Return the instrument of a coin and a contract: BTC-USD-THIS-WEEK of btc and this_week; `this_quarter` is an alias."""
    return f"{coin}-usd-{contract.removeprefix('this_') if contract == 'this_quarter' else contract}".upper().replace("_", "-")


def needs_login(item: Subscription) -> bool:
    """True if the subscription delivers an account's own data."""
    return item.channel in ("orders", "account", "positions")


def _meaning(name: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    if name in _FUTURES_OWN:
        return _FUTURES_OWN[name], FUTURES
    for family, shape in (("spot", _SPOT), ("okcoin", _OKCOIN), ("futures", _FUTURES), ("futures", _KLINE), ("futures", _DEPTH)):
        found = shape.fullmatch(name)
        if found is None:
            continue
        parts = found.groupdict()
        levels, period = parts.get("levels"), parts.get("period")
        word = parts.get("word") or ("kline" if shape is _KLINE else "depth")
        if (levels and (levels not in _LEVELS[family] or not word.startswith("depth"))) or (period and period not in BARS):
            return None
        if period:
            channel = f"candle{BARS[period]}"
        elif word == "markprice":
            channel = "mark-price"
        else:
            channel = _SPOT_OWN.get(word) or f"{_WORDS[word.partition('_')[0]]}{levels or ''}"
        coin = parts.get("coin") or parts.get("pair") or ""
        if family == "futures":
            instrument = instrument_of(coin, parts["contract"])
        else:
            instrument = f"{coin}-{parts.get('quote') or parts.get('money') or parts.get('paid')}".upper()
        return channel, (("instId", instrument),)
    for channel, shape in (("index-tickers", _INDEX), ("estimated-price", _FORECAST)):
        found = shape.fullmatch(name)
        if found is not None:
            return channel, (("instId", f"{found['coin'].upper()}-USD"),)
    return None


def _usual(item: Subscription) -> str:
    """Return the name on V1's pages. Raises SubscriptionError."""
    args = {word: value for word, value in item.args if word != "name"}
    for name, channel in _FUTURES_OWN.items():
        if item.channel == channel and args == dict(FUTURES):
            return name
    instrument = args.get("instId", "")
    if not instrument:
        raise SubscriptionError(f"V1 has no {item.channel} of {item.key}{_whose(item.channel)}")
    parts = instrument.lower().split("-")
    contract = "_".join(parts[2:])
    if instrument != instrument.upper() or len(parts) < 2 or not all(parts):
        hint = f"; did you mean {instrument.upper()}?" if "-" in instrument and instrument != instrument.upper() else ""
        example = hint or "; V1's look like BTC-USDT, BTC-USD-QUARTER or, for indices, BTC-USD"
        raise SubscriptionError(f"{item.channel}: {instrument!r} is not an instrument{example}")
    if contract and (parts[1] != "usd" or contract not in CONTRACTS):
        near = difflib.get_close_matches(contract, CONTRACTS, 1, cutoff=0.5) or ["quarter"]
        raise SubscriptionError(
            f"V1 has no {instrument}; its futures are called by contract: did you mean {instrument_of(parts[0], near[0])}?"
        )
    coin, is_future, channel = parts[0], bool(contract), item.channel
    stem = f"ok_sub_futureusd_{coin}" if is_future else f"ok_sub_spot_{coin}_{parts[1]}"
    tail = f"_{contract}" if is_future else ""
    if channel == "index-tickers" and instrument.endswith("-USD"):
        return f"ok_sub_futureusd_{coin}_index"
    if channel == "estimated-price" and instrument.endswith("-USD"):
        return f"{coin}_forecast_price"
    if channel == "mark-price" and is_future:
        return f"{stem}_markprice{tail}"
    if channel == "trades":
        return f"{stem}_{'trade' if is_future else 'deals'}{tail}"
    if channel == "tickers":
        return f"{stem}_ticker{tail}"
    if channel == "books" or (channel.startswith("books") and channel[5:] in _LEVELS["spot"]):
        levels = f"_{channel[5:]}" if channel != "books" else ""
        return f"{stem}_depth{tail}{levels}"
    if channel.startswith("candle") and channel[6:] in _PERIODS:
        return f"{stem}_kline{tail}_{_PERIODS[channel[6:]]}"
    if channel in ("orders", "account") and not is_future:
        return f"{stem}_{'order' if channel == 'orders' else 'balance'}"
    raise SubscriptionError(f"V1 has no {channel} of {instrument}{_whose(channel)}")


def _whose(channel: str) -> str:
    """Return advice for a channel that does not exist, or not for that instrument."""
    if channel in _OF:
        return f"; it is a channel of {_OF[channel]}"
    names = ("trades", "tickers", "books", "books5", "books10", "books20", *(f"candle{bar}" for bar in _PERIODS), *_OF)
    near = difflib.get_close_matches(channel, names, 1)
    if not near:
        return f"; it has trades, tickers, books, candle1m and the like, {', '.join(_OF)}"
    return f"; did you mean {near[0]}?" if near[0] != channel else "; they are of an instrument, e.g. BTC-USD-QUARTER"


def _no_such(name: str) -> str:
    near = nearest(name, [*_names_like(name), *_MISNOMERS])
    near = _MISNOMERS.get(near, near)
    item = meaning(near)
    assert item is not None
    return f"V1 has no channel {name!r}; the nearest is {near}, here: {item.channel} {item.key}"


def _names_like(name: str) -> list[str]:
    """Return every valid name for the coins and pairs that a wrong name may mean."""
    lower = name.lower()
    rest = _PREFIX.sub("", lower)
    names = list(_FUTURES_OWN)
    base, quote = (*rest.split("_"), "", "")[:2]
    is_pair = "spot" in lower and all(re.fullmatch(_COIN, part) and not is_kind(part) for part in (base, quote))
    pairs = ["_".join(found) for found in _PAIR.findall(rest)] or [f"{base}_{quote}" if is_pair else "btc_usdt"]
    for pair in pairs:
        kinds = ["ticker", "deals", "depth", *(f"depth_{n}" for n in _LEVELS["spot"]), *(f"kline_{p}" for p in BARS), *_SPOT_OWN]
        names += [f"ok_sub_spot_{pair}_{kind}" for kind in kinds]
    for okcoin in re.finditer(rf"spot(?:usd|cny)_{_COIN}", lower):
        kinds = ["ticker", "trades", "depth_20", "depth_60", *(f"kline_{p}" for p in BARS)]
        names += [f"ok_sub_{okcoin[0]}_{kind}" for kind in kinds]
    is_coin = "future" in lower and re.fullmatch(_COIN, base) is not None and not is_kind(base)
    coins = [coin for coin in COINS if coin in lower] or [base if is_coin else "btc"]
    for coin in coins:
        stem = f"ok_sub_futureusd_{coin}"
        names.append(f"{stem}_index")
        for contract in CONTRACTS:
            names += [f"{stem}_{kind}_{contract}" for kind in ("ticker", "trade", "depth", "markprice")]
            names += [f"{stem}_depth_{contract}_{levels}" for levels in _LEVELS["futures"]]
            names += [f"{stem}_kline_{contract}_{period}" for period in BARS]
    return names
