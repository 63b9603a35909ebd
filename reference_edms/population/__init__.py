"""Sample content for the reference EDMS: many rows quickly, and every kind of value that breaks tools.

The same seed on the same default rows gives the same rows and files. Order: ``rows`` knows how to
number and write rows, ``awkward`` holds the difficult values, the other modules make one subject each.
"""
