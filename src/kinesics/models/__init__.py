"""The networks: backbones, temporal modules, heads, and their public weights."""
