"""Voice to UI: a request in words becomes a panel of components, as A2UI messages. Knows no audio and no screen."""
