"""V3's error codes and their meanings.

Source: OKEx's pages of V3 "Error Code"; clients of that time.
"""

from __future__ import annotations

AGAIN = ("30009", "30014", "30026", "30030", "30037", "30043")
"""Codes of temporary errors."""
LOGIN = ("30001", "30002", "30003", "30004", "30005", "30006", "30008", "30012", "30013", "30015", "30016", "30027", "30031")
"""Codes of errors about the key, its signature or its time."""

_TEXT = """
30000 wrong path | 30001 key missing | 30002 signature missing | 30003 time missing | 30004 passphrase missing
30005 time not valid | 30006 key not valid | 30007 content type | 30008 time is more than 30 s off | 30009 system error
30010 validation failed | 30011 IP address not allowed | 30012 not authorized | 30013 signature wrong | 30014 too frequent
30015 passphrase wrong | 30016 a key of V1 | 30017 broker does not match | 30018 domain does not match | 30020 body missing
30021 no JSON | 30023 required parameter missing | 30024 parameter value | 30025 parameter category
30026 too frequent for this endpoint | 30027 login failed | 30028 not authorized | 30029 account suspended
30030 the request failed inside OKEx | 30031 no token | 30032 no such pair | 30033 no such domain | 30034 no such exchange
30035 no trading here | 30036 no data | 30037 offline | 30038 no such user | 30039 request not understood
30040 no such channel | 30041 not logged in | 30042 logged in already | 30043 internal error
"""
MEANINGS: dict[str, str] = dict(entry.strip().split(" ", 1) for line in _TEXT.strip().splitlines() for entry in line.split("|"))
_ADVICE = {
    **dict.fromkeys(("30006", "30012", "30027", "30028"), "check the key and what it may do"),
    "30005": "set this machine's clock",
    "30008": "set this machine's clock: V3 takes a login for 30 s",
    "30013": "check the secret of the key",
    "30014": "ask less often",
    "30015": "check the passphrase of the key",
    "30016": "take a key made for V3; this one is of V1",
    "30026": "ask less often",
    "30039": "a request is JSON with op and args, or the text ping",
    "30040": "correct the channel's name, or ask for an instrument that trades there",
    "30041": "give credentials; this channel needs a login",
}
_FAMILIES = ((32001, 32029, "futures"), (33001, 33029, "spot and margin"), (34001, 34022, "funding"), (35001, 35999, "swap"))


def advice(code: str) -> str:
    """Return the change to make, or the meaning of a code, or the area of a trading code."""
    if code in MEANINGS:
        return _ADVICE.get(code) or MEANINGS[code]
    number = int(code) if code.isdecimal() else 0
    return next((f"an error of {name} trading" for low, high, name in _FAMILIES if low <= number <= high), "")
