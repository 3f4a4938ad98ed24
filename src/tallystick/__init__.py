"""Tallystick: a self-hosted LLM gateway that meters, prices and journals every call it forwards.

Three files tell the story: `core/exchange.py` (the life of one call), `edge/gateway.py` (who performs
it) and `app.py` (how the parts are put together).
"""

__version__ = "0.1.0"
