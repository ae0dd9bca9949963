"""Other people's trainers and configs: our losses in TRL's trainers, and their recipes read as ours."""
