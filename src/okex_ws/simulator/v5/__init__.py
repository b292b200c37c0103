"""OKX V5 as the simulated exchange speaks it: WebSocket grammar, pushes, order gateway, account rows.

In: request bytes, publications, order changes, `now`. Out: the bytes OKX would send.
May import: `engine`, `market`, the simulator's rules, faults, paths; nothing of `v1`, `v3`.
"""
