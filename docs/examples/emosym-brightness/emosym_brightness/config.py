from emosym.contracts import ComponentConfig


class BrightnessConfig(ComponentConfig):
    threshold: float = 0.5
    """Brightness (0 to 1) from which a picture is bright."""
