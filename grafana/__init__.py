"""Dashboards, generated from code."""
