"""Temporal modules: what the slot of a block may hold."""
