"""What is made from the repository for those who have only a release: the changelog, the bill of materials, the pages."""
