"""What a merge is made of."""
