"""In: frames of OKEx's retired dialects, V1 (2014 to 2019) and V3 (2018 to 2021). Out: the same events as of V5.
May import: wire, events, stateful,
errors. No V5 room imports this one: `dialects.py` knows both. It can be deleted in one commit.

Channels and instruments have the names of V5 (`trades`, `books5`, `candle1m`; BTC-USDT, BTC-USD-QUARTER), so that readers of
events need not know the dialect; the dialects' own names are in `v1/wire` and `v3/wire`.
"""
