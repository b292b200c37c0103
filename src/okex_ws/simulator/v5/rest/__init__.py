"""OKX V5 over HTTP: public reads, account reads, order requests, under one router.

In: a parsed HTTP request, `now`. Out: a status and a JSON body in OKX's envelope.
May import: the modules of `v5` but `dialect` and `connection`; context, `engine`, `market`.
"""
