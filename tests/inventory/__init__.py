"""Tests of the inventory's room: the probe, the merge with the catalogue, the derivation of keys."""
