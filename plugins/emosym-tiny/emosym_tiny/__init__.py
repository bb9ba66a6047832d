"""The embedded default: a rendered world of emotions and small trained weights."""
