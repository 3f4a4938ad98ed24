"""What remembers: the memory oracle, the write-ahead spool and the SQL database behind the ports.
"""
