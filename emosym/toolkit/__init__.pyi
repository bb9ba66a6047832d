from .adapters import differences as differences
from .adapters import load_state as load_state
from .dtypes import DTYPES as DTYPES
from .dtypes import choose_dtype as choose_dtype
from .files import (
    json_text as json_text,
)
from .files import (
    megabytes as megabytes,
)
from .files import (
    read_json_lines as read_json_lines,
)
from .files import (
    write_json as write_json,
)
from .files import (
    written_whole as written_whole,
)
from .hashing import hash_tensors as hash_tensors
from .hashing import stamp as stamp
from .hashing import tensors as tensors
from .injection import embedded as embedded
from .metering import LikeCuda as LikeCuda
from .metering import Meter as Meter
from .metering import metered as metered
from .modes import Frozen as Frozen
from .modes import evaluating as evaluating
from .pictures import to_image as to_image
from .pictures import to_pixels as to_pixels
from .weights import (
    absent_shards as absent_shards,
)
from .weights import (
    check_complete as check_complete,
)
from .weights import (
    damaged_files as damaged_files,
)
from .weights import (
    holds_code as holds_code,
)
from .weights import (
    is_torn as is_torn,
)
from .weights import (
    known_folder as known_folder,
)
from .weights import (
    quiet as quiet,
)
