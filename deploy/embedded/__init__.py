"""The embedded default: a real PostgreSQL and a real MQTT broker from wheels, for one machine without services."""
