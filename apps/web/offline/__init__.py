"""A folder that captions in a browser, without a server of ours: what `unmask export BUNDLE --target web` writes."""
