"""The HTTP API: translates requests into calls of the runtime, and decides nothing."""
