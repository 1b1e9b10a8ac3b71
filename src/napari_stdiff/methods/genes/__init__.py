"""Methods that predict genes a tissue's panel never measured, from a dissociated reference."""
