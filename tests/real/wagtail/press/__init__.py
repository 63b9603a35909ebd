"""The app of the Wagtail site under test."""
