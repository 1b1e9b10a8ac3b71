"""What a user asks for; one config and one function each."""
