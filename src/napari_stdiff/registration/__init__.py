"""Bringing serial sections into one frame: by expression, landmarks or histology."""
