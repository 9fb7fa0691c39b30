"""One call of the service: its attempts, its place in the queue, and the way of its audio into memory or a file."""
