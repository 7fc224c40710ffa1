"""Copies of videos with answers drawn in."""
