"""The live EDMS: its folders, its locks, and what is replaced as a whole."""
