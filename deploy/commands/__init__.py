"""The commands of ``tracefleet``, one file each. Heavy modules are imported when a command runs, not for ``--help``."""
