"""The client without a socket.

In: inputs as values, each with `now`. Out: events in order, effects to carry out, the next deadline.
May import: `dialects`, `protocol`, `market`, `wire`, `events`, `stateful`, `errors`.
"""
