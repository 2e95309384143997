"""The project itself: its layers, its packaging, its words, and what tests rely on."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
