"""What the evidence of a run says: who started it and why, when by which clock, what was measured. Plain values; nothing here decides."""
