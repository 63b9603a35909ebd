"""What `init` writes: the settings file, with what is known of the EDMS."""
