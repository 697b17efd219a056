"""What telemetry costs a governed run."""
