"""OKX V5 on the simulated exchange: connection, grammar, pushes, order gateway, rows, REST.

In: request bytes, publications, order changes, `now`. Out: the bytes OKX would send.
May import: connection, context, paths, publisher, corruption, faults, `engine`, `market`; nothing of `v1`, `v3`, `legacy`.
"""
