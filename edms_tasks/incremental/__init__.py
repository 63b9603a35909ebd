"""What the previous snapshot stored, so that only new and changed rows are stored again."""
