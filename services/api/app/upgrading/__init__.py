"""Brings the state of an older release to this one: on a copy, which takes its place when it is proven."""
