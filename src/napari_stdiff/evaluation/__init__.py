"""Held-out protocols over tasks, and their report."""
