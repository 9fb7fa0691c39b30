"""Values and decisions: no socket, file, clock or dice; the standard library and attrs only."""
