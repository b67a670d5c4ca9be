"""What can go wrong in a way an operator can mend.

TracefleetError          one sentence or more, each naming a remedy; the command line prints it and exits 2
├── SettingsError        a setting is missing or wrong
├── DatabaseError        the database cannot be reached or may not be used
│   └── SchemaError      the schema is not the one this code knows
└── PortTakenError       a port that a service needs is in use
"""


class TracefleetError(Exception):
    """A sentence for the operator: what is wrong, where, and what to do."""


class SettingsError(TracefleetError):
    """Settings that cannot be used, all complaints in one."""


class DatabaseError(TracefleetError):
    """A database that cannot be reached or used."""


class SchemaError(DatabaseError):
    """A schema that this version of the code does not know."""


class PortTakenError(TracefleetError):
    """A port that somebody else is listening on."""
