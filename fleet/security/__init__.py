"""What touches the safety of the system itself: identities that speak and may not."""
