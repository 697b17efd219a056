"""A model that obeys every sentence it reads: what it gets done, and what people are asked."""
