"""Benchmarks: what the runtime does on real tasks, measured from outside."""
