"""What is in the store, where it came from and whether its bytes are still the same."""
