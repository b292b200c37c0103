"""Matches clients' orders with each other and with the published book, and keeps their accounts. Sans-IO.

In: orders, amends, cancels, the market's instants, each with `now`. Out: changes of orders, positions and balances.
May import: `market`, `seeded_random`, `errors`. No JSON and none of OKX's short names: the dialect folders translate.
"""
