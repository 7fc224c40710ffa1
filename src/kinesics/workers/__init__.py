"""Processes that may crash, hang or grow."""
