"""Speed of governed runs, beside the bare graph on the stock, the in-memory and our own saver."""
