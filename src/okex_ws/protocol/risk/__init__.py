"""What an order passes before it leaves: limits, the kill switch, cancel-all-after. Sans-IO.

In: orders, what is known of the account and the market, `now`. Out: accepted or refused orders, cancel requests, events.
May import: `protocol.orders`, `wire`, `events`.
"""
