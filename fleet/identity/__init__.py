"""The identity a device speaks with at the broker: its credentials, what they permit, and who else tried."""
