"""The saved reports: what each asks, which events it is made of, what its rows say."""
