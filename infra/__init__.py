"""What runs around the functions: the laptop stack and the operator's command. None of it is in the zip."""
