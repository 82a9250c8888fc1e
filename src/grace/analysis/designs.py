"""The designs of both studies: conditions and answers, in the order of all arrays and tables."""

STATES = (0, 1, 2, 3)
"""Study 1: how many of the three objects have the property."""
WORDS = {1: "one", 2: "two", 3: "three"}
"""Study 1: the number that the speaker says is how many were observed to have the property."""
ACCESS_NUMBER = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3))
"""Study 1: the conditions. Access is how many of the three the speaker has looked at."""
ACCESS_WORD = tuple((str(access), WORDS[number]) for access, number in ACCESS_NUMBER)

GOALS = ("informational", "social", "both")
HEARTS = (0, 1, 2, 3)
GOAL_HEARTS = tuple((goal, str(hearts)) for goal in GOALS for hearts in HEARTS)
"""Study 2: the conditions."""
FRAMES = ("was", "wasnt")
ASSESSMENTS = ("terrible", "bad", "good", "amazing")
UTTERANCES = tuple(f"{frame}_{assessment}" for frame in FRAMES for assessment in ASSESSMENTS)
"""Study 2: the labels of what the speaker may say."""
