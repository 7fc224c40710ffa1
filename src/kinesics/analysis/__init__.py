"""What trained runs are worth: tests, comparisons, calibration, folds, fusion, probes."""
