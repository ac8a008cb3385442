"""From files to an answer: jobs, the queue and its engine, batches, and the publishing of answers."""
