"""What is read from a file that a client sent, before it is stored: here, and in processes with limits."""
