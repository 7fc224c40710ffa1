"""Recognise small actions in video: from a folder of labelled clips to a trained, tested and deployed model."""

__version__ = "0.1.0"
