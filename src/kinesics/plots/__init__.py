"""Pictures of results: PNG files that are drawn with matplotlib."""
