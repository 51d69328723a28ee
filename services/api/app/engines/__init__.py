"""The hands: worker processes, run on the authority's order. Nothing here decides."""
