"""All checks of a device's health, by name. Their thresholds and points stand nowhere else."""

from collections.abc import Mapping
from typing import Final

from fleet.health.check import Check
from fleet.health.data_checks import DATA
from fleet.health.hardware_checks import HARDWARE
from fleet.health.line_checks import LINE
from fleet.health.metrology_checks import METROLOGY
from fleet.health.sensor_checks import SENSORS

CHECKS: Final[tuple[Check, ...]] = (*LINE, *DATA, *HARDWARE, *SENSORS, *METROLOGY)
BY_NAME: Final[Mapping[str, Check]] = {check.name: check for check in CHECKS}
