"""The console: pages for people on top of the API's own functions. It adds no rule of its own."""
