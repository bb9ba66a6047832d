from .components import (
    RegisteredComponent as RegisteredComponent,
)
from .descriptors import (
    API_VERSION as API_VERSION,
    CAPABILITIES as CAPABILITIES,
    KINDS as KINDS,
    NEEDS as NEEDS,
    Alias as Alias,
    Cards as Cards,
    ComponentSpec as ComponentSpec,
    PluginInfo as PluginInfo,
    Preset as Preset,
)
from .discovery import (
    InstalledPlugin as InstalledPlugin,
)
from .errors import (
    EmosymError as EmosymError,
    PluginDeprecationWarning as PluginDeprecationWarning,
    did_you_mean as did_you_mean,
)
from .hookspecs import (
    hookimpl as hookimpl,
)
from .lifecycle import (
    Lifecycle as Lifecycle,
)
from .loading import (
    load_registry as load_registry,
)
from .plugins import (
    Failure as Failure,
    LoadedPlugin as LoadedPlugin,
)
from .registry import (
    Registry as Registry,
)

__version__: str
