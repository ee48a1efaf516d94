"""The gate: cells as they are now against a stored reference; red when a method got worse."""
