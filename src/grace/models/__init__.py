"""Models: which there are, where their files come from, and with which options they are served."""
