"""The device fleet: its ledger, its health and its housekeeping."""
