"""Find services for a person who has come home: the walk of help/near-me, over the needs that this card offers."""

from handlers.near_me import handle

__all__ = ["handle"]
