"""Verifying: the rules that always hold, tried on a project's own workflows and data."""
