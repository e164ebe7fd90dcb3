"""What sound files hold, format by format: whole, damaged, cut short, of unknown length, from a file or through a pipe."""
