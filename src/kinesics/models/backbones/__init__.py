"""Backbones: one picture in, a pyramid of stages out, with a temporal slot in every residual block."""
