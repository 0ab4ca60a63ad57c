"""What a patch gives up, keeps or uses in another place than before: references, pins, memory, objects."""
