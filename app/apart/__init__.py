"""Processes with limits of memory and time, in which everything that clients send is decoded."""
