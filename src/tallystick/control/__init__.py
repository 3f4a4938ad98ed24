"""The admin API and the sessions behind it. One file per resource: its shapes and its handlers.
"""
