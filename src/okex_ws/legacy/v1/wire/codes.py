"""V1's error codes and their meanings.

Source: OKEx's pages "Error Code For Spot" and "... For Futures", WebSocket table, 2018.
"""

from __future__ import annotations

AGAIN = ("10015", "20014", "20100")
"""Codes of temporary errors."""
LOGIN = ("10002", "10005", "10017", "20024", "20102")
"""Codes of errors about the key or its signature."""

_TEXT = """
10000 required parameter missing | 10001 illegal parameters | 10002 authentication failed
10003 this connection already asked for another user's data | 10004 this connection has not asked for this user's data
10005 api_key or sign invalid | 10008 parameter error | 10009 order not found | 10010 funds too low | 10011 quantity too low
10012 only btc_usd and ltc_usd | 10014 price outside 0 to 1,000,000 | 10015 channel temporarily unavailable
10016 coins too low | 10017 not authorized over WebSocket | 10049 more than 50 small open orders (below 0.15 BTC)
10100 user frozen | 10216 not a public API | 1443 no permission
20001 no such user | 20002 user frozen | 20003 frozen by forced liquidation | 20004 contract account frozen
20005 no contract account | 20006 required field empty | 20007 illegal parameter | 20008 contract balance is zero
20009 contract status | 20010 no risk rate | 20011 risk above 90 % before opening | 20012 risk above 90 % after opening
20013 no counterparty price | 20014 system error | 20015 order not found | 20016 closes more than is held
20017 not your order | 20018 price beyond 5 % of the last minute | 20019 IP address restricted | 20020 secret key missing
20021 no index | 20022 wrong interface for this margin mode | 20023 user has fixed margin | 20024 signature mismatch
20025 leverage error | 20100 timeout | 20101 data format | 20102 invalid login | 20103 unknown event
20104 unknown subscription | 20107 no JSON | 20115 quote mismatch | 20116 no such channel
1002 more than the balance | 1003 below the minimum | 1004 below 0 | 1007 no market | 1008 no ticker | 1009 no order
1010 not the owner of the order | 1011 no user | 1013 no order type | 1014 not logged in | 1015 no depth | 1017 date error
1018 order failed | 1019 cancel failed | 1024 no such currency | 1025 no chart type | 1026 base quantity missing
1027 parameter over its limit | 1028 too many decimals | 1029 not open yet | 1030 has a margin or futures loan
1031 balance too low to transfer | 1032 transfer not allowed | 1035 trade password | 1036 Google code invalid
1037 Google code wrong | 1038 Google code used twice | 1039 too many SMS codes | 1040 SMS code invalid | 1041 SMS code wrong
1042 too many Google codes | 1043 login password and trade password are the same | 1044 old password wrong
1045 second verification needed | 1046 old password required | 1048 account blocked | 1050 already cancelled
1051 already filled | 1201 account deleted at 00:00 | 1202 no account | 1203 balance too low | 1204 currency
1205 account | 1206 withdrawals blocked | 1207 transfer not supported | 1208 no such account | 1209 API invalid
"""
MEANINGS: dict[str, str] = dict(entry.strip().split(" ", 1) for line in _TEXT.strip().splitlines() for entry in line.split("|"))
_ADVICE = {
    **dict.fromkeys(("10002", "10005", "20024"), "check the key and its secret; V1 signs with MD5 in capitals"),
    "20102": "check the key; V1 signs with MD5 in capitals",
    "20116": "correct the channel's name",
    "20103": "the events are addChannel, removeChannel, login and ping",
}


def advice(code: str) -> str:
    """Return the change to make, or the meaning of a code."""
    return _ADVICE.get(code) or MEANINGS.get(code, "")
