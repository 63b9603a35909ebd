"""Tell how runs end: webhook, e-mail, pings, and numbers for Prometheus. No secret and no value of a row is in any of it."""
