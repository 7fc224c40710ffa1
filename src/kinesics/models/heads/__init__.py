"""Heads: stages of the backbone in, class scores out."""
