"""Desk: between a client's words and the floor: who takes orders, tells accounts, and what goes off by itself. Sans-IO.

In: requests the faces have read, the floor's happenings, `now`. Out: answers and private pushes in OKX's rows.
May import: `floor`, the faces, the simulator's rules and faults.
"""
