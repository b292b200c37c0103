"""Pre-trade risk: limits, kill switch and cancel-all-after. Sans-IO.

In: orders, facts about account and market, `now`. Out: accepted or refused orders, cancel requests, events.
May import: `protocol.orders`, `protocol.pacing`, `wire`, `events`.
"""
