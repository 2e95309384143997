"""Tests of names and nodes in their owner's memory."""
