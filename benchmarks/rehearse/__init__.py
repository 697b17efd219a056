"""How long a rehearsal takes on many decisions."""
