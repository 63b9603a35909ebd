"""What a verification is made of.

`listed_objects.py` looks without reading, `sampling.py` reads a part, `reading_record.py` notes what was read.
"""
