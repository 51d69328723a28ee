"""The registry of strategies: one file each, one line here."""
