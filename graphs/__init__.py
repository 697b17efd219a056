"""Workflows: one folder each."""
