"""The audit: what was changed in the ledger, by whom, and the proof that nobody changed that afterwards."""
