"""What the server counts for Prometheus: `series` is the table, everything else fills it."""
