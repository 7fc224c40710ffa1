"""Temporal modules: what stands in the slot of a residual block."""
