"""Electronic signatures and the certificates that seal PDFs."""
