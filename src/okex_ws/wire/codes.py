"""Codes of OKX's answers and close frames: meaning, advice for the user, and policy of the client.

Source: docs-v5 "Error Code" (WebSocket, REST), "Connection count limit", changelog up to 2026-10.
"""

from __future__ import annotations

import enum

import msgspec


class CodePolicy(enum.Enum):
    """Reaction of a client to a code."""

    NONE = "nothing failed"
    FATAL = "the same request is refused again until something is changed by hand"
    BUG = "the request is malformed; the program that made it must change"
    ROUTE = "send it to another endpoint"
    RETRY = "send it again"
    BACK_OFF = "send it again, later and less often"
    RELOGIN = "log in, then send it again"
    CLOCK = "compare the clock with OKX's, then sign and send it once more"
    FALLBACK = "use the channel that is open to everyone"
    SPREAD = "use another connection, or fewer channels"
    RECONNECT = "connect and subscribe again"
    LOOK_UP = "the result is not known: read the order's state before doing anything else"
    IGNORE = "the request was already fulfilled"


class Code(msgspec.Struct, frozen=True):
    """One code. advice: what to change; "" if there is nothing to do."""

    code: str
    policy: CodePolicy
    meaning: str
    advice: str = ""


def lookup(code: str) -> Code:
    """Return the entry of a code. An unknown one is FATAL, because a request with an unknown result is not repeated."""
    known = CODES.get(code)
    return known or Code(code, CodePolicy.FATAL, "a code this version does not know", "read OKX's message")


def lookup_close(code: int) -> Code:
    """Return the entry of a close code. The policy of an unknown one is RECONNECT."""
    known = CLOSE_CODES.get(code)
    return known or Code(str(code), CodePolicy.RECONNECT, "an undocumented close code")


def close_policy(code: int) -> CodePolicy:
    """Return the policy for a closed connection.

    FATAL after 4001 and 4007 concerns logged-in connections alone: public data needs no key and reconnects.
    """
    return lookup_close(code).policy


def _table(*rows: tuple[str, CodePolicy, str, str]) -> dict[str, Code]:
    """Make a table of rows (codes, policy, meaning, advice); `51401-51402 51404` is a range and a single code."""
    table: dict[str, Code] = {}
    for words, policy, meaning, advice in rows:
        for word in words.split():
            first, _, last = word.partition("-")
            for number in range(int(first), int(last or first) + 1):
                table[str(number)] = Code(str(number), policy, meaning, advice)
    return table


_FATAL, _BUG, _ROUTE, _RETRY = CodePolicy.FATAL, CodePolicy.BUG, CodePolicy.ROUTE, CodePolicy.RETRY
_BACK_OFF, _LOOK_UP = CodePolicy.BACK_OFF, CodePolicy.LOOK_UP

_SESSION = _table(
    ("60004", CodePolicy.CLOCK, "invalid timestamp", "send Unix seconds as text, and set the computer's clock"),
    ("60005", _FATAL, "invalid API key", "check the key, character by character"),
    ("60006", CodePolicy.CLOCK, "timestamp expired", "set the computer's clock; it is more than 30 s off"),
    ("60007", _FATAL, "invalid signature", "check the secret; it does not belong to this key"),
    ("60008", _ROUTE, "this endpoint does not have the channel", "use the endpoint of the channel table"),
    ("60009", _BACK_OFF, "login failed", "check the key, and that it was made for this site and environment"),
    ("60011", CodePolicy.RELOGIN, "not logged in", "give credentials; this channel needs a login"),
    ("60012", _BUG, "invalid request", "the frame is not a request OKX knows"),
    ("60013", _BUG, "invalid args", "check names and values of the request's args"),
    (
        "60014",
        _BACK_OFF,
        "requests too frequent",
        "480 an hour per connection: subscribe to more per request",
    ),
    (
        "60018",
        _FATAL,
        "wrong URL, or no such channel or instrument",
        "check the instrument's name and the keys",
    ),
    ("60019", _BUG, "invalid op", "ops are subscribe, unsubscribe, login and the order ops"),
    ("60023", _BACK_OFF, "logins too frequent", "wait before the next login"),
    ("60024", _FATAL, "wrong passphrase", "check the passphrase given when the key was made"),
    ("60026", _BUG, "API key and token cannot log in together", "log in with one of them"),
    ("60027", _BUG, "a parameter is empty", "give the parameter the message names"),
    ("60028", _ROUTE, "this URL does not support the operation", "orders go to the private endpoint"),
    ("60029 60030", CodePolicy.FALLBACK, "fee tier too low (64003 since 2026-04)", "use channel books"),
    ("60031", CodePolicy.IGNORE, "already logged in", ""),
    (
        "60032",
        _FATAL,
        "API key does not exist",
        "use the site (global, eea, us) and environment the key is of",
    ),
    ("60033", _BUG, "parameter error", "check the parameter the message names"),
    ("60034", _FATAL, "fee tier or permission too low for binary data", "use the JSON channels"),
    ("63999", _RETRY, "login failed inside OKX", ""),
    ("64000", _BUG, "uly is gone", "use instFamily"),
    ("64001", _ROUTE, "the channel moved to the business endpoint", "subscribe at /ws/v5/business"),
    ("64002", _ROUTE, "the channel is not on the business endpoint", "subscribe at /ws/v5/public or private"),
    ("64003", CodePolicy.FALLBACK, "fee tier too low for the channel", "use channel books, open to everyone"),
    (
        "64004",
        CodePolicy.SPREAD,
        "books-l2-tbt excludes the other books of its instrument",
        "use another connection",
    ),
    ("64007", _RETRY, "failed inside OKX", ""),
    ("64008", CodePolicy.RECONNECT, "the connection will be closed for an upgrade", ""),
)
"""`event: error` and `notice` of a WebSocket."""

_GENERAL = _table(
    ("0", CodePolicy.NONE, "done", ""),
    ("1", _LOOK_UP, "every item of the request failed", "read each item's sCode"),
    ("2", _LOOK_UP, "some items of the request failed", "read each item's sCode"),
    ("50000", _BUG, "the body is empty", "POST needs a JSON body"),
    ("50001", _BACK_OFF, "service unavailable", "see OKX's status page"),
    ("50002", _BUG, "the body is not JSON", "check the body's syntax"),
    (
        "50004",
        _LOOK_UP,
        "timed out; it may or may not have happened",
        "find the order by its client order id",
    ),
    ("50006", _BUG, "wrong content type", "send Content-Type: application/json"),
    ("50011 50040", _BACK_OFF, "requests too frequent", "keep to the limit of the endpoint"),
    ("50013", _BACK_OFF, "systems are busy", ""),
    (
        "50014",
        _BUG,
        "a parameter is empty",
        "give the parameter named; orders over WebSocket need instIdCode",
    ),
    ("50015", _BUG, "one of two parameters is needed", "give one of those named"),
    ("50016", _BUG, "two parameters do not match", "make the two named agree"),
    ("50024", _BUG, "two parameters exclude each other", "give one of those named"),
    ("50025", _BUG, "too many values in a parameter", "give fewer of the one named"),
    ("50026", _BACK_OFF, "system error", ""),
    ("50035", _FATAL, "the API key must be bound to an IP address", "bind it in the account's API page"),
    ("50036", _BUG, "expTime is in the past", "set it later than now, and set the clock"),
    ("50037", _FATAL, "the order expired on its way", "place it again if still wanted, with a later expTime"),
    ("50038 50053", _FATAL, "not available in demo trading", "use production"),
    ("50039", _BUG, "`before` does not go with paging by ts", "page by trade id"),
    ("50061", _BACK_OFF, "order rate of the sub-account exceeded", "1,000 new and amended orders per 2 s"),
    ("50071", _BUG, "already exists", "use another id"),
    ("50100", _FATAL, "the API is frozen", "ask OKX"),
    (
        "50101",
        _FATAL,
        "the key is of another environment",
        "demo keys open demo only, production keys production",
    ),
    ("50102", CodePolicy.CLOCK, "timestamp expired", "set the computer's clock; it is more than 30 s off"),
    ("50103-50104 50106-50107", _BUG, "a header of the request is missing or empty", "send the one named"),
    ("50105", _FATAL, "wrong passphrase", "check the passphrase given when the key was made"),
    ("50110", _FATAL, "this IP address is not on the key's list", "add it in the account's API page"),
    ("50111", _FATAL, "invalid API key", "check the key, character by character"),
    ("50112", CodePolicy.CLOCK, "invalid timestamp", "send ISO 8601 with milliseconds, and set the clock"),
    ("50113", _FATAL, "invalid signature", "check the secret, and that path and body are signed as sent"),
    ("50114", _FATAL, "invalid authorization", "check how the request is signed"),
    ("50119", _FATAL, "API key does not exist", "use the site (global, eea, us) the key is of"),
    ("50120", _FATAL, "the key has no permission for this", "allow it in the account's API page"),
    ("59113", _FATAL, "RPI orders need KYC level 2", "verify the account"),
)
"""`code` of REST replies and order replies."""

_ORDER = _table(
    ("51000", _BUG, "parameter error", "change the parameter named, or leave it out"),
    ("51001", _FATAL, "no such instrument", "check the id and its instIdCode; demo and production differ"),
    ("51003 51407", _BUG, "an order id or a client order id is needed", "give one of them"),
    ("51004 51005", _FATAL, "more than the position or order limit", "make it smaller"),
    ("51006", _FATAL, "the price is outside OKX's band", "see channel price-limit"),
    ("51008 51131", _FATAL, "not enough balance", "make it smaller, or transfer funds"),
    ("51011", _BUG, "the order id exists", "use another id"),
    ("51015", _BUG, "instrument and instrument type do not match", "make the two agree"),
    ("51016", _LOOK_UP, "the client order id exists", "give another client order id, or none to get one"),
    ("51020 51120", _FATAL, "less than the smallest size", "see min_size of the instrument"),
    ("51021", _FATAL, "the instrument is not listed yet", "see its listing time"),
    ("51022", _FATAL, "the instrument is suspended", "wait for its state live"),
    ("51025 51102-51103 51174", _FATAL, "too many open orders", "cancel some first"),
    ("51027", _FATAL, "the contract expired", "use a later one"),
    ("51028-51030", _BACK_OFF, "delivery, settlement or funding is under way", "try again in some minutes"),
    ("51034", _FATAL, "market maker protection was triggered", "reset it, then quote again"),
    ("51036", _FATAL, "for market makers of the instrument only", "place it as another type"),
    (
        "51054 51149",
        _LOOK_UP,
        "timed out; it may or may not have happened",
        "find the order by its client order id",
    ),
    (
        "51101",
        _FATAL,
        "more than the largest size",
        "see max_limit_size and max_market_size of the instrument",
    ),
    ("51110 51124", _FATAL, "only limit orders during a call auction", "use a limit order"),
    ("51111 51501", _BUG, "more than 20 orders in a batch", "make smaller batches"),
    (
        "51112 51169-51170 51205",
        _FATAL,
        "reduce-only does not fit the position",
        "look at the position first",
    ),
    ("51121", _FATAL, "the size is not a multiple of the lot", "see lot_size of the instrument"),
    ("51137 51138", _FATAL, "the price is beyond the highest buy or lowest sell", "see channel price-limit"),
    ("51150", _FATAL, "too many decimals", "see tick_size and lot_size of the instrument"),
    ("51196-51197", _FATAL, "only limit orders during the pre-quote phase", "use a limit order, or wait"),
    ("51201-51203", _FATAL, "a market order of too much value", "split it"),
    ("51400", _LOOK_UP, "not canceled: filled, canceled or unknown", "its state says which; without one no such order is known"),
    ("51401-51402", _LOOK_UP, "not canceled: the spread order is done", "read the order's state"),
    ("51404 51508", _BACK_OFF, "orders are fixed in this phase of the auction", "wait for its end"),
    ("51405", CodePolicy.IGNORE, "nothing to cancel", ""),
    ("51408", _BUG, "the order is of another instrument", "give the order's own"),
    ("51410", CodePolicy.IGNORE, "already being canceled", ""),
    ("51411", _FATAL, "the account may not mass-cancel", "cancel one by one"),
    ("51412", _LOOK_UP, "the cancel timed out", "read the order's state"),
    ("51416", _LOOK_UP, "not canceled: already triggered", "read the order it became"),
    ("51500", _BUG, "the amendment changes nothing", "give a new price or size"),
    ("51503", _LOOK_UP, "not amended: filled, canceled or unknown", "its state says which; without one no such order is known"),
    ("51506", _FATAL, "orders of this type cannot be amended", "cancel it and place another"),
    ("51507", _FATAL, "not in this phase of the market", "wait for continuous trading"),
    ("51511", _FATAL, "not amended: a post-only order would take", "choose a price that rests"),
    ("51512", _BUG, "an order is twice in the batch", "amend it once"),
    ("51513", _BACK_OFF, "more than 3 amendments of the order under way", "wait for their answers"),
    (
        "51521-51522",
        _FATAL,
        "not amended: reduce-only does not fit the position",
        "look at the position first",
    ),
    ("51527", _FATAL, "not amended: the attached orders do not fit", "read them from the order first"),
    ("51603", _LOOK_UP, "no such order, or not yet visible", "ask again shortly before taking it as absent"),
    ("54004", _FATAL, "another order of the batch failed", "read that one's sCode"),
    ("54008", _FATAL, "locked by a mass cancel", "wait for the end of its lock interval"),
    ("54031", _FATAL, "open interest of the platform is at its limit", "make it smaller, or reduce only"),
    ("54036", _BUG, "fill-or-kill excludes self-trade mode cancel_both", "choose another self-trade mode"),
    ("54039-54050", _FATAL, "a rule of RPI orders is not met", "read OKX's message"),
    ("54051", _FATAL, "an RPI order of too little value", "500 USD on spot, 2,000 futures, 5,000 swaps"),
    ("54072-54074", _FATAL, "refused by a newer rule", "read OKX's message"),
    ("54084 54085", _FATAL, "slippagePct does not fit", "give 0 to 0.05 with at most 4 decimals"),
    ("54086", _FATAL, "speedBump does not fit", "read OKX's message"),
    ("54094", _BACK_OFF, "the account is in a cool-off period", "wait for its end"),
    ("54109", _FATAL, "the USDC pair is not activated", "activate it in the account"),
)
"""`sCode` of single orders."""

CODES: dict[str, Code] = {**_SESSION, **_GENERAL, **_ORDER}
"""All documented codes by their texts."""

CLOSE_CODES: dict[int, Code] = {
    int(code): row
    for code, row in _table(
        ("1000 1001", CodePolicy.RECONNECT, "the other side closed the connection", ""),
        ("1002 1003 1007", CodePolicy.RECONNECT, "a frame the other side could not read", ""),
        ("1005 1006", CodePolicy.RECONNECT, "the connection broke without a close frame", ""),
        ("1008", _FATAL, "the other side's policy forbids it", "read its reason"),
        ("1009", _FATAL, "the request is too large", "subscribe in requests of less than 64 KB"),
        ("1010", _FATAL, "a WebSocket extension is missing", "offer no extension, or another"),
        ("1011 1014", _BACK_OFF, "the server failed", ""),
        ("1012", CodePolicy.RECONNECT, "the server restarts", ""),
        ("1013", _BACK_OFF, "the server is busy", ""),
        ("1015", _FATAL, "the TLS handshake failed", "check the certificate of the URL's host"),
        ("4001", _FATAL, "login failed", "check key, secret and passphrase"),
        ("4002", _BUG, "invalid request", "the last frame is not a request OKX knows"),
        ("4003", CodePolicy.SPREAD, "more than 100 subscriptions of this API key", "subscribe to fewer channels"),
        ("4004", CodePolicy.RECONNECT, "no data for 30 s", ""),
        ("4005", CodePolicy.RECONNECT, "the reader was too slow", "read faster, or subscribe to fewer channels"),
        ("4006", CodePolicy.RECONNECT, "an abnormal disconnection", ""),
        ("4007", _FATAL, "the API key was changed or deleted", "use the new key"),
        ("4008", CodePolicy.SPREAD, "too many channels in all", "subscribe to fewer channels"),
        ("4009", CodePolicy.SPREAD, "too many channels on this connection", "use more connections"),
    ).items()
}
"""Codes of close frames."""


CANCEL_SOURCES: dict[str, str] = {
    "0": "by OKX",
    "1": "by you",
    "2": "reduce-only without a position to reduce, or too little margin",
    "3": "forced: the maintenance margin was reached",
    "4": "the borrowing limit was reached",
    "6": "the position was about to be deleveraged",
    "7": "the futures contract is being delivered",
    "9": "too little balance after the funding fee",
    "10": "the option expires",
    "13": "a fill-or-kill order could not be filled whole",
    "14": "what an immediate-or-cancel order left over",
    "15": "its price was beyond OKX's limit",
    "17": "its position was closed",
    "20": "by cancel-all-after",
    "21": "its position was closed before the stop or profit price",
    "22": "a reduce-only order at a better price takes its place",
    "23": "a reduce-only order at a better price takes its place",
    "27": "the prices of both sides differ by more than 5 %",
    "31": "a post-only order would have taken",
    "32": "it would have traded with an order of your own",
    "33": "it would have matched more than 1,000 orders",
    "36": "the stop was triggered before the profit limit",
    "37": "the stop was canceled, and the profit limit with it",
    "38": "by market maker protection, asked for by you",
    "39": "market maker protection was triggered",
    "42": "the market ran farther than the chase distance",
    "43": "its price was worse than the index",
    "44": "it was converted automatically",
    "45": "its price was beyond the bounds of retail price improvement",
    "46": "it would have increased the delta",
}
"""`cancelSource` of an order: the cause of its end."""


def cancel_reason(source: str) -> str:
    """Return the reason of a cancel in words; an unknown source is quoted, no source is ""."""
    return CANCEL_SOURCES.get(source, f"for a reason of OKX's ({source})" if source else "")
