"""The names that Fluxio's documentation imports."""
