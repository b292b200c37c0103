"""Order requests, from the call to the verdict. Sans-IO.

In: orders, answers, pushes, rows of REST, `now`. Out: requests to send, orders to fetch, one outcome for each request.
May import: `wire`, `events`, `absence`, `errors`, the plain parts of `protocol` (pacing, timers, server_clock).
"""
