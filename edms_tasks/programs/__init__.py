"""Programs of the administrator and of the EDMS: run with a time-out, ended with all that they started, their output bounded."""
