"""What is worth telling somebody, one file per kind: when it is raised, how grave it is, and in which words. Pure: what
stands in the database is looked up by stores, what is sent is rendered by channels.
"""
