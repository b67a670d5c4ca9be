"""How well each device is: facts, checks, a score with its reasons, and their history by day."""
