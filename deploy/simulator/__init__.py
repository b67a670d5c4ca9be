"""Honest simulated devices over real MQTT: a seeded city, its habits and faults, and an exact account of what was sent.

It knows the public contract alone: topics and messages. Nothing of ingest is shared with it.
"""
