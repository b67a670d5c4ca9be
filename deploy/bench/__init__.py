"""The benchmark: a real database, broker and ingest, an open-loop generator, and the ceilings to compare with."""
