"""The settings file that `init` writes, with what is known about the EDMS."""
