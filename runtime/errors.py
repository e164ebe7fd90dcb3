"""Errors that a caller can act on. Each message names the thing, the reason and the next command."""


class UnmaskError(Exception):
    """Base class of the errors below. The command line prints the message as one line and exits with code 2."""


class BundleError(UnmaskError):
    """A bundle is missing, damaged or altered, or this runtime cannot read its version."""


class InputError(UnmaskError):
    """The caller's input cannot be used: a canvas, an option, or an id that is out of range."""


class NumberError(UnmaskError):
    """A pass returned a number that is not finite: weights are damaged, or the device cannot hold what the model computes."""


class AudioError(UnmaskError):
    """A recording cannot be read, or contains nothing to caption."""
