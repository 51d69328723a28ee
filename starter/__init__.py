"""The starter model: the text it learns, how it is trained, and how it is judged.

A development tool. Nothing in the product imports this package; the product sees only the files
that end up in `models/lmx/starter`, and takes them through the same door as any other model.
"""
