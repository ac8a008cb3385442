"""From files to an answer: jobs, the queue and its engine, batches, and what happens to an answer afterwards."""
