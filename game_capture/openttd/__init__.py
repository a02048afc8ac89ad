"""What is particular to OpenTTD: its configuration, its savegames, its console and its geometry."""
