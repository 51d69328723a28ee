"""Nothing is destroyed without a word that can be proved: asks, plans, decisions, execution."""
