"""What a restore is made of."""
