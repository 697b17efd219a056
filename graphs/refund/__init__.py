"""Refunds of a small shop: prepared by a model, decided by policy and people."""
