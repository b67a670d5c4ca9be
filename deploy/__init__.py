"""Composition: the command line, the embedded runtime, the simulator, compose."""
