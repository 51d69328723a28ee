"""The worker: one process that owns one loaded model. The only package that imports MLX."""
