"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo(
        "emosym-data", API_VERSION, "Datasets emoset, image-folder and hf; knowledge annotations and jsonl"
    )


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    return (
        ComponentSpec(
            "dataset", "emoset", "emosym_data.emoset:EmoSet", "emosym_data.config:EmoSetConfig",
            "A folder in the layout of EmoSet-118K, with its attributes",
            conformance="emosym_data.conformance:EmoSet",
        ),
        ComponentSpec(
            "dataset", "image-folder", "emosym_data.image_folder:ImageFolder", "emosym_data.config:ImageFolderConfig",
            "A folder of pictures for each emotion (FI), with splits or a seeded stratified one",
            conformance="emosym_data.conformance:ImageFolder",
        ),
        ComponentSpec(
            "dataset", "hf", "emosym_data.hf:HfDataset", "emosym_data.config:HfConfig",
            "A dataset of the Hugging Face datasets library, from the hub or a folder",
            conformance="emosym_data.conformance:Hf",
        ),
        ComponentSpec(
            "knowledge", "annotations", "emosym_data.annotations:AnnotationKnowledge", "emosym_data.config:AnnotationsConfig",
            "Text from the dataset's annotations: a field that holds text, or a template over attributes",
        ),
        ComponentSpec(
            "knowledge", "jsonl", "emosym_data.jsonl:JsonlKnowledge", "emosym_data.config:JsonlConfig",
            "Text from a JSON-lines file, by sample id or image path", conformance="emosym_data.conformance:Jsonl",
        ),
    )  # fmt: skip
