"""Heads: stages of the trunk in, class scores out."""
