"""Which devices no longer serve: rules as data, what they find with the evidence frozen, and the flags for it."""
