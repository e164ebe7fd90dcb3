"""The endpoints of `unmask serve` for programs, in the shape of OpenAI's API."""
