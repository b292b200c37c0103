"""OKEx V3 (2018 to 2021) as the simulated exchange speaks it, whole: grammar, feeds, account pushes.

In: request bytes, publications, order changes, `now`. Out: the bytes OKEx sent then, deflated.
May import: `simulator.legacy`, `engine`, `market`, rules, faults; nothing of `v1`, `v5`.
"""
