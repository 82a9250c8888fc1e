"""The review: a local web page on which a person looks at extracted values and accepts, corrects or rejects them."""
