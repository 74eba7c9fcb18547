"""What the workflows in `.github/workflows` run."""
