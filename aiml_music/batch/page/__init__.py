"""The page of a finished batch: every track to listen to, and whatever needs a person at the top."""
