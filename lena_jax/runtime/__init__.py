"""Work with the operating system: whole files, locks, signals, several processes, the compilation cache."""
