"""Sources of simulated prices: a seeded market or a capture. Sans-IO.

In: a seed or recorded rows, `now`. Out: publications in OKX's rows: books, trades, tickers, candles, prices, reference rows.
May import: `seeded_random`.
"""
