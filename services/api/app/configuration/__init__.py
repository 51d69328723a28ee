"""`config.yaml`: what it may hold, where each value comes from, and what may change while serving."""
