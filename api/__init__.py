"""HTTP for people and programs: read the fleet and its telemetry."""
