"""Pictures: from pixels to codes and back."""
