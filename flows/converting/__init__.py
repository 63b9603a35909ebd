"""What the conversion of old backups is made of."""
