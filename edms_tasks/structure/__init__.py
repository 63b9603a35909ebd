"""What a database is besides its rows: definitions, compared; what a restore could not give back."""
