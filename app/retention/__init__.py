"""What is stored for too long, or takes too much room, is deleted: pixels, maps, results, instances and reviews."""
