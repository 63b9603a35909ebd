"""Old backups made by other tools: recognised, read in a stream, and judged. One reader a format; `formats.py` lists them.

Nothing but `flows/convert.py` and what it is made of imports this room.
"""
