"""Tests of what lies beneath the content verbs: what is stored, and what is not touched."""
