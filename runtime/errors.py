"""What can go wrong that is not our own mistake. Each message names the thing, the reason and what to do next."""


class UnmaskError(Exception):
    """Base of all errors that a caller can act on; the command line turns it into one line and exit code 2."""


class BundleError(UnmaskError):
    """A bundle is missing, damaged, altered, or of a version that this runtime cannot read."""


class InputError(UnmaskError):
    """Something given by the caller cannot be used: a canvas, an option, an id out of range."""


class AudioError(UnmaskError):
    """A recording cannot be read, or holds nothing to caption."""
