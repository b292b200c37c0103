"""Shared parts of V1 and V3 on the exchange's side: connections with deflated frames, and common rows.

In: messages, pushes, orders. Out: binary frames, rows.
May import: connection, context, corruption, faults, `engine`, `market`.
"""
