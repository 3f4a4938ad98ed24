"""The data plane: the only floor, beside `control`, that knows HTTP. Bare ASGI, no web framework.
"""
