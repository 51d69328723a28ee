"""Which models are in memory: the states they pass through, who makes room, who waits for whom."""
