"""The conformance kit: subclass the suite of your component's kind, name the component, run pytest or
``emosym plugins check``. Names load on first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
