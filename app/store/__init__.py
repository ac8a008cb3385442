"""What the service stores: the database with its migrations, and the files of studies and predictions."""
