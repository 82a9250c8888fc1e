"""Data quality: are the tables of an experiment good enough to be analysed?"""
