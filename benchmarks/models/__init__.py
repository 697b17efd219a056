"""What the layer around a model costs: time beyond a bare call, and room for everything else."""
