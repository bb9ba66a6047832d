from .experiment.api import Run as Run, train as train
from .spec import Resolved as Resolved, load_spec as load_spec, plugins_only as plugins_only
from .system import System as System, load as load

__version__: str
