"""The networks: trunks, temporal modules, heads, and their public weights."""
