"""Continuity of subscriptions: what is missing, and what came twice. Sans-IO.

In: rows of one frame, interruptions, hand-overs, `now`. Out: the rows to deliver, with Gap and Resumed among them.
May import: `wire`, `events`, `stateful`, the plain parts of `protocol`.
"""
