"""Wire formats: how a request states its facts and a reply its usage. Each module is one form; what
providers do differently within it are fields (quirks) of its dialect, never a vendor's name.
"""
