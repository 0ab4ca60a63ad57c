"""Page-table entries and the pages they map: what is written there, on what grounds, and in which order."""
