"""V1's own names: channel names, rows, requests, codes. Nothing outside this folder knows them."""
