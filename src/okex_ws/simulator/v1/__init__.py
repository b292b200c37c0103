"""OKEx V1 (2014 to 2019) on the simulated exchange: grammar, feeds, order gateway.

In: request bytes, publications, order changes, `now`. Out: the bytes OKEx sent then, deflated.
May import: `simulator.legacy` and what it may import, paths; nothing of `v3`, `v5`.
"""
