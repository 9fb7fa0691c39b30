"""Many generations: durable, resumable, within a budget."""
