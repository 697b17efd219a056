"""Knowledge: from what was found to the bundle that a step is shown."""
