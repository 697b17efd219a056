"""What the console costs: until it can be used, over the wire, until it is told, on the server."""
