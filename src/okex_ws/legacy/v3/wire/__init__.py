"""V3's own names: channel names, rows, requests, codes. Nothing outside this folder knows them.

In: V3's texts. Out: rows as events, and requests as texts.
May import: `legacy`, `wire`, `events`.
"""
