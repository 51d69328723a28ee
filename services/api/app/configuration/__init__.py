"""`config.yaml`: what it may hold, where a value comes from, and what may change while serving."""
