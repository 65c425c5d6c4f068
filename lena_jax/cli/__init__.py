"""The console command `lena-jax`: one module per subcommand, each with `add(commands, options)` and light imports."""
