"""From files to an answer: jobs, the queue and its engine, and batches."""
