"""Floor: where clients' orders meet one another and the market's published book, and whose money it is. Sans-IO.

In: orders, amends, cancels, the market's instants, each with `now`. Out: what became of them, as happenings, in order.
May import: the simulator's `markets`, `reference` and `dice`. No JSON, none of OKX's short names: `desk` and the faces translate.
"""
