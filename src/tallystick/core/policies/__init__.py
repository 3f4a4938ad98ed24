"""What calls an organisation lets through, and how it changes them: one kind of rule is one file. All of it is pure:
a rule sees plain values and says allow, refuse, change or warn, so that a rule can be tried on last month's calls."""
