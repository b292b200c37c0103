"""In: OKX's bytes. Out: events, acks, refusals; and requests as bytes. OKX's frames and names, no behaviour.
May import: events (the channel table names each channel's event class).
"""
