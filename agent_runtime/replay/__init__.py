"""Replay: stored runs again from their recordings, with no effect outside, and compared."""
