"""In: channels and instruments wanted, and a data folder. Out: a journal, tables, ledgers and sinks that account for every event.
May import: client, core, checkpoints, protocol, journal, replay, store, sinks, market, events.
"""
