"""Faces: how the simulated exchange speaks. In: request bytes and published rows. Out: the bytes OKX would send.

v5 is the WebSocket grammar, rest the HTTP reads; each is an own reading of OKX's pages.
May import: the rest of the simulator; nothing of the client side, no sockets, no clocks.
"""
