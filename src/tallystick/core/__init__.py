"""The rules, and nothing else: standard library only, no I/O, no clock, no randomness. Time and ids
come in as values, so that all money logic is tested without a network, a database or an event loop.
"""
