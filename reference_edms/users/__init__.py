"""People, their roles and who gave them."""
