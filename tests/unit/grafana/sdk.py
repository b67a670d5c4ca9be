"""The code that generates, and the SDK's models, which warn of themselves as they are imported.

The SDK would rather have the second schema of dashboards. Files that are provisioned are of the first, which every
Grafana from 10 on reads.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from grafana.generate import SECTIONS, main

__all__ = ["SECTIONS", "Dashboard", "JSONEncoder", "main"]
