"""The page of `unmask serve` that shows panels: requests from it, messages of A2UI to it, and events of its components back."""
