"""Compositor (crop + avatar -> planes), encoder (planes -> packets), output (parts -> file)."""
