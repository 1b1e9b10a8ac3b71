"""Pure functions: metrics, splits that hide things, calibration."""
