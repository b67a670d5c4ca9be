"""Who is there: presence of devices, and outages that are nobody's fault."""
