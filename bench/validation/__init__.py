"""Controls: clips of known quality, on which metrics and calibrations are tested."""
