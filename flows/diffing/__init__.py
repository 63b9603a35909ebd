"""What a diff is made of."""
