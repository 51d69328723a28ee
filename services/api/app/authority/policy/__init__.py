"""What may answer a request: which model a name stands for, and what stands in for it."""
