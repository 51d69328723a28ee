"""The authoritative zone: it alone may load, unload, delete and purge.

It decides, acts through `ports`, and writes the ledger. It knows no HTTP, no ML runtime and no
process (`.importlinter`, contract ``authority-is-framework-free``).
"""
