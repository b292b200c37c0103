"""Simulator: a small OKX on one machine. In: a market (seeded or a capture), rules, faults, clients' bytes.

Out: the bytes OKX would send, over real sockets (server.py) or in memory (exchange.py), and a ledger of what was published.
May import: okex_ws.wire.channels of the client side, nothing else of it; asyncio and sockets in server.py alone.
"""
