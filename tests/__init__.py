"""The tests; their shared parts live in files named for what they provide."""

import sys

# Where PYTHONDONTWRITEBYTECODE is set, each process of the suite would compile all modules again. The tests' own projects are
# imported by other processes, in which the variable counts.
sys.dont_write_bytecode = False
