"""Studies: what is asked, as one declarative file each."""
