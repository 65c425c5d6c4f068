"""What a process needs of its machine: whole files, locks, signals, other processes, compiled programs."""
