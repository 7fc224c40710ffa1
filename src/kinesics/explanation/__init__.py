"""What a network looked at: maps over the frames of a clip, what a system has inside, its answer over the time."""
