"""Matches clients' orders with each other and with the published book, and keeps their money. Sans-IO.

In: orders, amends, cancels, the market's instants, each with `now`. Out: what became of them, in order.
May import: `market`, `seeded_random`. No JSON and none of OKX's short names: the dialect folders translate.
"""
