"""Mail, as in paperless-ngx."""
