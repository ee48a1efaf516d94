"""Cells on many machines, by Ray; nothing outside this room imports it."""
