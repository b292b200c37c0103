"""OKEx V1 (2014 to 2019) as the simulated exchange speaks it, whole: grammar, feeds, order gateway.

In: request bytes, publications, order changes, `now`. Out: the bytes OKEx sent then, deflated.
May import: `simulator.legacy`, `engine`, `market`, rules, faults; nothing of `v3`, `v5`.
"""
