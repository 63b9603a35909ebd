"""Documents, as in paperless-ngx."""
