"""Reports: an HTML page about runs, and the parts of a paper; both tell the analysis's tables and add no number."""
