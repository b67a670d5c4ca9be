"""Backups: the scripts that every installation uses, and what ``tracefleet up`` needs around them."""
