"""What advice may see and what it may return: the advisory zone's only way in and out."""
