"""A throughput-focused client for MuseTalk lip-sync servers."""

__version__ = "0.1.0"
