"""V3's channel names and our subscriptions: `spot/trade:BTC-USDT` is trades of BTC-USDT.

Instruments are V3's own: BTC-USDT, BTC-USD-SWAP, BTC-USD-190329, BTC-USD-210423-64000-C, indices BTC-USD; their form gives their
business. Channels have the names of V5: trade is `trades`, depth `books`, depth5 `books5`, depth_l2_tbt
`books-l2-tbt`, optimized_depth `books-optimized`, ticker `tickers`, candle60s `candle1m`, index/ticker `index-tickers`,
index/candle60s `index-candle1m`, mark_price, price_range, estimated_price, funding_rate as `mark-price`, `price-limit`,
`estimated-price`, `funding-rate`, option/summary `opt-summary`, order `orders`, order_algo `orders-algo`, account and
margin_account `account`, position `positions`, system/status `status`.
A name that is not the usual one of its channel stays in the subscription as `name`.
Source: OKEx's pages of V3, 2018-12 to 2021; clients of that time.
"""

from __future__ import annotations

import difflib
import re

from okex_ws.wire.channels import Subscription, SubscriptionError

BARS = {
    **{60 * n: f"{n}m" for n in (1, 3, 5, 15, 30)},
    **{3600 * n: f"{n}H" for n in (1, 2, 4, 6, 12)},
    86400: "1D",
    604800: "1W",
}
"""Length of a candle in seconds → ours."""
_SECONDS = {bar: seconds for seconds, bar in BARS.items()}

_BOOKS = {"depth": "books", "depth5": "books5", "depth_l2_tbt": "books-l2-tbt"}
_MARKET = {"ticker": "tickers", "trade": "trades", **_BOOKS}
_OWN = {"order": "orders", "order_algo": "orders-algo", "account": "account", "position": "positions"}
_DERIVATIVES = {**_MARKET, "price_range": "price-limit", "mark_price": "mark-price", **_OWN}
TABLES: dict[str, dict[str, str]] = {
    "spot": {
        **_MARKET,
        "optimized_depth": "books-optimized",
        "account": "account",
        "margin_account": "account",
        "order": "orders",
        "order_algo": "orders-algo",
    },
    "futures": {**_DERIVATIVES, "instruments": "instruments", "estimated_price": "estimated-price"},
    "swap": {**_DERIVATIVES, "funding_rate": "funding-rate"},
    "option": {
        **_MARKET,
        "trades": "trades",
        "instruments": "instruments",
        "summary": "opt-summary",
        "position": "positions",
        "account": "account",
        "order": "orders",
    },
    "index": {"ticker": "index-tickers"},
    "system": {"status": "status"},
}
"""Business → V3's channel word → our channel. All but system have candles too."""
ALIASES = ("option/trades", "spot/margin_account")
"""Tables that are not the usual one of their channel."""
UNDERLYING = ("option/instruments", "option/summary", "option/trades", "option/position", "option/account", "option/order")
"""Channels with an underlying as key."""
_OF_COIN = ("spot/account", "futures/account")
"""Channels with a currency as key."""

_NAME = re.compile(r"([a-z]+)/([a-z0-9_]+)(?::(.+))?")
_CANDLE = re.compile(r"candle(\d+)s")
_FORMS = {
    "swap": re.compile(r"[A-Z0-9]+-[A-Z0-9]+-SWAP"),
    "futures": re.compile(r"[A-Z0-9]+-[A-Z0-9]+-\d{6}"),
    "option": re.compile(r"[A-Z0-9]+-[A-Z0-9]+-\d{6}-[\d.]+-[CP]"),
    "spot": re.compile(r"[A-Z0-9]+-[A-Z0-9]+"),
}


def subscription(channel: str, key: str | None = None, **args: str) -> Subscription:
    """Return a checked Subscription of our channel name and instrument, or of V3's own name. Raises SubscriptionError.

    `subscription("trades", "BTC-USDT")` is `subscription("spot/trade:BTC-USDT")`.
    """
    if "/" in channel or "name" in args:
        name = args.get("name", channel)
        if key is not None and ":" not in name:
            name = f"{name}:{key}"
        item = meaning(name)
        if item is None:
            raise SubscriptionError(_no_such(name))
        return item
    given = {name: value for name, value in args.items() if value}
    if key is not None:
        given.setdefault(_main_key(channel, key), key)
    further = set(given) - {"instId", "instFamily", "instType", "ccy"}
    if further:
        raise SubscriptionError(f"V3 has no key {further.pop()}; a channel and an instrument are all it takes")
    item = Subscription(channel, tuple(sorted(given.items())))
    literal(item)
    return item


def literal(item: Subscription) -> str:
    """Return V3's name of a subscription. Raises SubscriptionError if it has none."""
    args = dict(item.args)
    return args["name"] if "name" in args else _usual(item)


def meaning(name: str) -> Subscription | None:
    """Return the subscription of a channel name; None for a name that V3 does not have."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    business, word, key = found.groups()
    channel = channel_of(business, word)
    if channel is None or (key is None) != _takes_no_key(business, word):
        return None
    table = f"{business}/{word}"
    if key is None:
        args: tuple[tuple[str, str], ...] = (("instType", "FUTURES"),) if word == "instruments" else ()
    elif table in UNDERLYING or (table == "futures/account" and "-" in key):
        args = (("instFamily", key),)
    elif table in _OF_COIN:
        args = (("ccy", key),)
    elif business in _FORMS and business != "index" and _FORMS[business].fullmatch(key) is None:
        return None
    else:
        args = (("instId", key),)
    item = Subscription(channel, args)
    try:
        is_usual = _usual(item) == name
    except SubscriptionError:
        is_usual = False
    return item if is_usual else Subscription(channel, tuple(sorted((*args, ("name", name)))))


def channel_of(business: str, word: str) -> str | None:
    """Return our channel of a table; None for a table that V3 does not have."""
    candle = _CANDLE.fullmatch(word)
    if candle is not None and business in _FORMS | {"index": None}:
        bar = BARS.get(int(candle[1]))
        return None if bar is None else f"{'index-' if business == 'index' else ''}candle{bar}"
    return TABLES.get(business, {}).get(word)


def needs_login(item: Subscription) -> bool:
    """True if the subscription delivers an account's own data."""
    return item.channel in ("orders", "orders-algo", "account", "positions")


def business_of(instrument: str) -> str:
    """Return spot, swap, futures or option by an instrument's form; "" for no instrument."""
    return next((business for business, form in _FORMS.items() if form.fullmatch(instrument)), "")


def family_of(instrument: str) -> str:
    """Return the underlying: the first two parts of an instrument."""
    return "-".join(instrument.split("-")[:2])


def _takes_no_key(business: str, word: str) -> bool:
    return (business, word) in (("futures", "instruments"), ("system", "status"))


def _main_key(channel: str, key: str) -> str:
    if key in ("FUTURES", "OPTION", "SPOT", "SWAP"):
        return "instType"
    if channel == "opt-summary" or (channel == "instruments" and "-" in key):
        return "instFamily"
    return "ccy" if channel == "account" and "-" not in key else "instId"


def _usual(item: Subscription) -> str:
    """Return the name on V3's pages. Raises SubscriptionError."""
    args = {word: value for word, value in item.args if word != "name"}
    channel, instrument, family = item.channel, args.get("instId", ""), args.get("instFamily", "")
    if channel == "status" and not args:
        return "system/status"
    if channel == "instruments":
        if family:
            return f"option/instruments:{family}"
        if args == {"instType": "FUTURES"}:
            return "futures/instruments"
        raise SubscriptionError("V3 has instruments of FUTURES, and of options by underlying, e.g. BTC-USD")
    if channel == "opt-summary" and family:
        return f"option/summary:{family}"
    if family:  # an account's option data has the underlying as key
        word = {ours: theirs for theirs, ours in _OWN.items()}.get(channel, "")
        if word and word in TABLES["option"]:
            return f"option/{word}:{family}"
    if channel == "account" and args.get("ccy"):
        return f"spot/account:{args['ccy']}"
    if channel.startswith("index-"):
        return f"index/{_word_of('index', channel, instrument)}:{instrument}"
    business = business_of(instrument)
    if not business:
        hint = f"; did you mean {instrument.upper()}?" if business_of(instrument.upper()) else ""
        example = hint or "; V3's look like BTC-USDT, BTC-USD-SWAP, BTC-USD-210625"
        raise SubscriptionError(f"{channel}: {instrument!r} is not an instrument{example}")
    return f"{business}/{_word_of(business, channel, instrument)}:{instrument}"


def _word_of(business: str, channel: str, instrument: str) -> str:
    words = {ours: word for word, ours in reversed(TABLES[business].items())}  # of two words the first is the usual one
    if channel in words and f"{business}/{words[channel]}" not in ALIASES:
        return words[channel]
    bar = channel.removeprefix("index-").removeprefix("candle")
    if "candle" in channel and bar in _SECONDS and channel.startswith("index-") == (business == "index"):
        return f"candle{_SECONDS[bar]}s"
    names = [*words, *(f"{'index-' if business == 'index' else ''}candle{bar}" for bar in _SECONDS)]
    near = difflib.get_close_matches(channel, names, 1, cutoff=0.3)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise SubscriptionError(f"V3 has no {channel} of {instrument}, which is {business}{hint}")


def _no_such(name: str) -> str:
    table, _, key = name.partition(":")
    business = table.partition("/")[0]
    if business not in TABLES or not _may_have(business, key):
        business = business_of(key.upper()) or (business if business in TABLES else "spot")
    words = [*TABLES[business], *(f"candle{seconds}s" for seconds in BARS if business != "system")]
    names = [
        f"{business}/{word}:{one}" if one else f"{business}/{word}"
        for word in words
        for one in dict.fromkeys((key, key.upper(), _example(business, word)))
    ]

    def likeness(other: str) -> tuple[float, float]:
        theirs, _, its = other.partition(":")
        return _alike(table, theirs), _alike(key, its)

    near = max((each for each in names if each != name and meaning(each) is not None), key=likeness)
    return f"V3 has no channel {name!r}; the nearest is {near}"


def _may_have(business: str, key: str) -> bool:
    """True if a key may belong to a business."""
    of = business_of(key.upper())
    return of in ("", business) or (of == "spot" and business in ("index", "option"))


def _example(business: str, word: str) -> str:
    if _takes_no_key(business, word):
        return ""
    if f"{business}/{word}" in _OF_COIN:
        return "BTC"
    of_business = {"index": "BTC-USD", "swap": "BTC-USD-SWAP", "futures": "BTC-USD-210625", "option": "BTC-USD-210625-64000-C"}
    return "BTC-USD" if f"{business}/{word}" in UNDERLYING else of_business.get(business, "BTC-USDT")


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()
