"""Backfill of events that the stream missed. Sans-IO.

In: events in stream order, REST pages, `now`. Out: the next page to fetch, the missing events, `Recovered`, `Unrecoverable`.
May import: `wire`, `events`, `stateful`, the plain parts of `protocol`.
"""
