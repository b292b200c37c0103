"""In: OKX's bytes and `now`. Out: events, bytes to send, deadlines. Rules of the protocol: sans-IO, no socket, no loop, no clock.
May import: wire, events, stateful, errors; protocol also absence.
"""
