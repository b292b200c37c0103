"""Old: conversations in the dead dialects V1 and V3, about the same market and at the same floor. Sans-IO.

In: what a client of those days sends, and the market's publications. Out: what OKEx sent then, deflated to the byte.
May import: `floor`, the faces of V1 and V3, what all lines share (`line.py`).
"""
