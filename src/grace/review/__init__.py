"""The review: a local web page where a person accepts, corrects or rejects extracted values."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.review.sitting import Review, review

__all__ = ["Review", "review"]

__getattr__ = exported(__name__, Review="sitting", review="sitting")
