"""V3's own words: channel names, rows, requests, codes. Nothing outside this folder knows them."""
