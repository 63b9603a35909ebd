"""Approval of what would change the live system: the plan that is shown, the answer, and who may give it."""
