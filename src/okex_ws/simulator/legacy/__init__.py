"""What V1 and V3 share on the exchange's side: deflated frames, whole messages, one small book.

In: messages, publications. Out: binary frames and the faults that strike them.
May import: the simulator's rules, faults and connection.
"""
