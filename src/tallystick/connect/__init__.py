"""How clients are pointed at the gateway: one data file (`clients.toml`), its reader, and what fills it with an address, a
key and headers, quoted as each language wants it. Commands, the console and the documentation all speak from it. Pure.
"""
