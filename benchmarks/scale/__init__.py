"""What many runs cost: lists, start, memory and idle CPU beside an empty installation."""
