"""The program that advisors run in: it walls itself in, then runs code that is not trusted.

Started as a process of its own by `app.engines.advisor_process`, never imported. It knows
`app.domain` and, once its walls stand, `app._experimental`; nothing of the authority is in reach.
"""
