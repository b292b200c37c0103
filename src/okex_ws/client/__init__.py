"""In: channels and instruments wanted. Out: one ordered stream of events. The only client-side room with asyncio and sockets.
May import: core, dialects, protocol, market, wire, events, errors.
"""
