"""What the service keeps: the database with its migrations, and the files of studies and predictions."""
