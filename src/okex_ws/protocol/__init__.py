"""In: OKX's bytes and `now`. Out: events, bytes to send, deadlines. How one talks: sans-IO, no socket, no loop, no clock.
May import: wire, events.
"""
