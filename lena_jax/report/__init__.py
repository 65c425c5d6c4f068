"""What a run's folder says, for people: `report.html`, its charts, and short tables for the console."""
