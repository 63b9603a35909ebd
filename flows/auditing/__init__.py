"""For auditors: one report, and the evidence of a period."""
