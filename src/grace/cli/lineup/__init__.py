"""`grace lineup`: one file for each of its commands."""

from grace.cli.entries import CommandEntry, group

lineup_app = group(
    CommandEntry("run", "lineup.run:run", "Carry a lineup's models, one after the other."),
    CommandEntry("resume", "lineup.resume:resume", "Go on with a lineup, or wait for the process that carries it."),
    CommandEntry("status", "lineup.status:status", "Show how far each model of a lineup is."),
    CommandEntry("watch", "lineup.status:watch", "Show the same again and again."),
    CommandEntry("compare-outputs", "lineup.compare:compare_outputs", "Compare what two runs or lineups brought home."),
    CommandEntry("fetch", "lineup.fetch:fetch", "Bring home what was answered so far."),
    CommandEntry("put", "lineup.fetch:put", "Bring the tables where the models are asked."),
    CommandEntry("clean", "lineup.clean:clean", "Remove all that is left, and prove that it is gone."),
    CommandEntry("upload", "lineup.upload:upload", "Bring a folder to a bucket."),
)
