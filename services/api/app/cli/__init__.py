"""The command line: a client of the running server. It never bypasses the authority.

It may import app.domain, and app.main for `lmx serve` alone; everything else goes over HTTP.
"""
