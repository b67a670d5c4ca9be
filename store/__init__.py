"""The ground floor: settings, connections, schema and what two packages share. Imports none of ours."""
