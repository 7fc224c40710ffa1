"""Optical flow: from two pictures to how far each pixel moved."""
