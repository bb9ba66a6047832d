from .adapters import differences as differences, load_state as load_state
from .chance import BatchGenerator as BatchGenerator, drawn as drawn
from .dtypes import DTYPES as DTYPES, choose_dtype as choose_dtype
from .files import (
    cannot_write as cannot_write,
    json_text as json_text,
    make_folder as make_folder,
    megabytes as megabytes,
    read_json as read_json,
    read_json_lines as read_json_lines,
    sweep as sweep,
    write_json as write_json,
    written_whole as written_whole,
)
from .hashing import (
    hash_in_order as hash_in_order,
    hash_tensors as hash_tensors,
    hash_weights as hash_weights,
    stamp as stamp,
    tensors as tensors,
)
from .injection import embedded as embedded
from .lora import adapters_off as adapters_off, attach_lora as attach_lora, detach_lora as detach_lora
from .metering import (
    Counter as Counter,
    LikeCuda as LikeCuda,
    Meter as Meter,
    counted as counted,
    metered as metered,
)
from .modes import Frozen as Frozen, evaluating as evaluating
from .naming import file_name as file_name
from .pictures import to_image as to_image, to_pixels as to_pixels
from .secrets import named_secrets as named_secrets, without_secrets as without_secrets
from .spaces import cache_folder as cache_folder
from .store import (
    Store as Store,
    kept_statistics as kept_statistics,
    key_of as key_of,
    picture_key as picture_key,
)
from .weights import (
    LOADING_ERRORS as LOADING_ERRORS,
    absent_shards as absent_shards,
    broken_weights as broken_weights,
    check_complete as check_complete,
    damaged_files as damaged_files,
    holds_code as holds_code,
    is_hub_id as is_hub_id,
    is_torn as is_torn,
    known_folder as known_folder,
    quiet as quiet,
    refuse_hub_code as refuse_hub_code,
)
