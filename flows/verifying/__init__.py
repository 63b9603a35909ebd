"""What a verification is made of.

`structure_check.py` looks without reading, `sampling.py` reads a part, `reading_record.py` notes what was read.
"""
