"""Statistics on merged tables: the tests of both studies, references, comparisons; heavy packages load here."""
