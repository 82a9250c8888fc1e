"""The review: a local web page where a person accepts, corrects or rejects extracted values."""
