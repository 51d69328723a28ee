"""LMX Authority: a local model server with an execution authority inside."""
