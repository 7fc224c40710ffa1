"""The report on tested runs: an HTML page, its pictures and small copies of its clips."""
