"""MQTT to rows: from the socket to the commit, losing nothing."""
