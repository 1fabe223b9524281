"""What the service keeps: analyses, their results, corrections, and keys."""

from emotone.server.store.store import Store

__all__ = ["Store"]
