"""In: OKX's bytes. Out: events, acks, refusals; and requests as bytes. How OKX frames and names things, no behaviour.
May import: events (the channel table names each channel's event class).
"""
