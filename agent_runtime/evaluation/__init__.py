"""Evaluation: how well runs do, measured from what people decided and what came of it."""
