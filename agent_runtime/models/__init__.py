"""Models: the seam to whatever answers a prompt with an envelope."""
