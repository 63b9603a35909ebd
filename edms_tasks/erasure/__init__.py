"""Erasures: whose data was erased in the EDMS, and must be erased again after every restore of an earlier snapshot."""
