"""What `grace roadmap rehearse` plays with: a study of two trials."""
