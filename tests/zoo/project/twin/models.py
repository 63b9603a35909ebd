"""Its models stand with the trait that is about them."""
