"""After-sales service."""
