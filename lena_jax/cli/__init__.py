"""The console command `lena-jax`: one module a subcommand, with `add(commands, options)`; nothing heavy on import."""
