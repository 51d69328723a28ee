"""What the command line finds out about this machine by itself, without asking a server.

Facts are gathered in one place each; what they mean is decided by functions of those facts.
"""
