"""OKEx V3 (2018 to 2021) on the simulated exchange: grammar, feeds, account pushes.

In: request bytes, publications, order changes, `now`. Out: the bytes OKEx sent then, deflated.
May import: `simulator.legacy` and what it may import, paths; nothing of `v1`, `v5`.
"""
