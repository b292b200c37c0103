"""In: frames of OKEx's dead dialects, V1 (2014 to 2019) and V3 (2018 to 2021). Out: the same events V5 gives.
May import: wire, events. No V5 room imports this one: `dialects.py` knows both. It can be deleted in one commit.

Channels and instruments are called as in V5 (`trades`, `books5`, `candle1m`; BTC-USDT, BTC-USD-QUARTER), so that whatever reads
events need not know which dialect they came by; the dialects' own words are in `v1/wire` and `v3/wire`.
"""
