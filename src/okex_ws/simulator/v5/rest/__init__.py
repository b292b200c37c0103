"""OKX V5 over HTTP: public reads, account reads, order requests, under one router.

In: a parsed HTTP request, `now`. Out: a status and a JSON body in OKX's envelope.
May import: `v5`, `engine`, `market`, the simulator's rules and faults.
"""
