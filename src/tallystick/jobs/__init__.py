"""Work beside the calls, each job small and bounded; `runner.py` runs them.
"""
